package probe_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/leeward-failover/leeward/schemas"
)

// TestFreshConnectionsLeaveNothingBehind counts the ports that wait for late packets of connections to a server. At some 28,000 of them there would be none left to connect from.
func TestFreshConnectionsLeaveNothingBehind(t *testing.T) {
	k := kit(t)
	plain, over := serve(t, says("ok")), serveTLS(t, says("ok"))
	for _, c := range []struct {
		kind    schemas.Kind
		address string
		port    string
	}{
		{schemas.KindTCP, plain.host(), port(plain)}, {schemas.KindHTTP, plain.URL, port(plain)}, {schemas.KindHTTP, over.URL, port(over)},
		{schemas.KindTLS, over.URL, port(over)}, {schemas.KindTLSResumed, over.URL, port(over)},
	} {
		const samples = 50
		for range samples {
			expectOf(t, k, checked(c.kind, c.address, schemas.HTTPCheck{}), schemas.OK, "")
		}
		if n := waiting(t, c.port); n > 0 {
			t.Errorf("%d connections wait for late packets after %d samples of %s", n, samples, c.kind)
		}
	}
}

// waiting counts the connections in TIME_WAIT from or to a port.
func waiting(t *testing.T, port string) (n int) {
	t.Helper()
	const timeWait = "06"
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Skip(err)
	}
	var number int
	if _, err := fmt.Sscan(port, &number); err != nil {
		t.Fatal(err)
	}
	end := fmt.Sprintf(":%04X", number)
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); f[3] == timeWait && (strings.HasSuffix(f[1], end) || strings.HasSuffix(f[2], end)) {
			n++
		}
	}
	return n
}

// underWay is how many samples are measured at a time for each processor, as a prober of many targets does.
const underWay = 8

// BenchmarkProbe says what a sample costs this process in processor time; the servers are a process of their own.
func BenchmarkProbe(b *testing.B) {
	plain, over := startBenchServers(b)
	k := kit(b)
	for _, c := range []struct {
		kind    schemas.Kind
		address string
		version string
	}{
		{schemas.KindTCP, plain, ""}, {schemas.KindHTTP, "http://" + plain, ""}, {schemas.KindHTTPKept, "http://" + plain, ""},
		{schemas.KindTLS, over, ""}, {schemas.KindTLSResumed, over, ""}, {schemas.KindHTTP, "https://" + over, ""}, {schemas.KindHTTPKept, "https://" + over, ""},
		{schemas.KindHTTP, "https://" + over, "2"}, {schemas.KindHTTPKept, "https://" + over, "2"},
	} {
		scheme, _, _ := strings.Cut(c.address, ":")
		b.Run(strings.Join([]string{c.kind.String(), scheme, c.version}, "-"), func(b *testing.B) {
			of := checked(c.kind, c.address, schemas.HTTPCheck{Version: c.version})
			b.ReportAllocs()
			expectOf(b, k, of, schemas.OK, "")
			before := processorTime(b)
			b.SetParallelism(underWay)
			var apps atomic.Int32
			b.RunParallel(func(p *testing.PB) {
				of := of
				of.App = fmt.Sprint("shop", apps.Add(1))
				for p.Next() {
					if m := k.Measure(context.Background(), of, time.Now()); m.Err != nil {
						b.Error(m.Err)
					}
				}
			})
			b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

// BenchmarkNetHTTP is what the same requests cost over net/http, for comparison.
func BenchmarkNetHTTP(b *testing.B) {
	plain, _ := startBenchServers(b)
	for name, fresh := range map[string]bool{"http": true, "http_kept": false} {
		b.Run(name, func(b *testing.B) {
			client := http.Client{Transport: &http.Transport{DisableKeepAlives: fresh, MaxIdleConnsPerHost: underWay}, Timeout: 2 * time.Second}
			b.ReportAllocs()
			before := processorTime(b)
			b.SetParallelism(underWay)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					response, err := client.Get("http://" + plain)
					if err != nil {
						b.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, response.Body)
					_ = response.Body.Close()
				}
			})
			b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

func processorTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

const benchServers = "LEEWARD_TEST_BENCH_SERVERS"

// startBenchServers runs TestServersOfTheBenchmark in another process and returns the servers' addresses.
func startBenchServers(b *testing.B) (plain, over string) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^TestServersOfTheBenchmark$", "-test.v")
	pair := authority.issue(b, time.Hour)
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	folder := b.TempDir()
	if err := errors.Join(err, os.WriteFile(folder+"/cert", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}), 0o600),
		os.WriteFile(folder+"/key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600)); err != nil {
		b.Fatal(err)
	}
	cmd.Env = append(os.Environ(), benchServers+"="+folder)
	stop, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = stop.Close(); _ = cmd.Wait() })
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if _, err := fmt.Sscanf(lines.Text(), "serving %s %s", &plain, &over); err == nil {
			return plain, over
		}
	}
	b.Fatal("the servers did not start")
	return "", ""
}

// TestServersOfTheBenchmark is no test but the servers, in a process that BenchmarkProbe starts.
func TestServersOfTheBenchmark(t *testing.T) {
	folder := os.Getenv(benchServers)
	if folder == "" {
		t.Skip("there is no benchmark to serve")
	}
	pair, err := tls.LoadX509KeyPair(folder+"/cert", folder+"/key")
	if err != nil {
		t.Fatal(err)
	}
	plain := serve(t, says("ok"))
	over := serveTLS(t, says("ok"), func(s *httptest.Server) { s.TLS.Certificates, s.EnableHTTP2 = []tls.Certificate{pair}, true })
	fmt.Printf("\nserving %s %s\n", plain.host(), over.host())
	_, _ = io.Copy(io.Discard, os.Stdin)
}

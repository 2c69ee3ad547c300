package probe_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/socks"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/probe"
)

const zone = `$TTL 60
@ IN SOA ns.shop.example. admin.shop.example. 1 60 60 60 60
@ IN NS ns
ns IN A 127.0.0.1
@ IN A 192.0.2.1
www IN CNAME shop.example.
long IN TXT %s
`

// startNamed runs BIND with the zone shop.example, and returns its host:port. It refuses every other zone.
func startNamed(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("named")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("BIND is not installed (make install)")
		}
		t.Skip("BIND is not installed (make install)")
	}
	folder, port := t.TempDir(), freePort(t)
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("zone", fmt.Sprintf(zone, strings.Repeat(`"`+strings.Repeat("x", 200)+`" `, 10)))
	write("named.conf", fmt.Sprintf(`options { directory %q; listen-on port %d { 127.0.0.1; }; listen-on-v6 { none; }; pid-file none; session-keyfile none; recursion no; };
controls {};
zone "shop.example" { type primary; file "zone"; };
`, folder, port))
	var out bytes.Buffer
	cmd := exec.CommandContext(context.Background(), path, "-g", "-n", "1", "-c", filepath.Join(folder, "named.conf"))
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(out.String())
		}
	})
	server := fmt.Sprintf("127.0.0.1:%d", port)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("tcp", server); err == nil {
			_ = conn.Close()
			return server
		}
		if time.Now().After(deadline) {
			t.Fatal("BIND does not answer")
		}
	}
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

func TestDNS(t *testing.T) {
	server := startNamed(t)
	k := kit(t)
	for question, want := range map[string]string{
		"shop.example":                "",
		"SHOP.example.?type=a":        "",
		"shop.example?type=SOA":       "",
		"www.shop.example?type=A":     "",
		"www.shop.example?type=CNAME": "",
		"shop.example?type=AAAA":      "no record of type AAAA",
		"www.shop.example?type=MX":    "no record of type MX",
		"gone.shop.example":           "lookup gone.shop.example. on " + server + ": NAMEERROR",
		"other.example":               "REFUSED",
	} {
		outcome := schemas.OK
		if want != "" {
			outcome = schemas.NameError
		}
		s := expectOf(t, k, checked(schemas.KindDNS, "dns://"+server+"/"+question, schemas.HTTPCheck{}), outcome, want)
		if s.WriteUS == 0 || s.FirstByteUS == 0 || s.TLSUS+s.TransferUS+s.Status != 0 {
			t.Errorf("%s: phases of %+v", question, s)
		}
	}
	s := expectOf(t, k, checked(schemas.KindDNS, "dns://"+server+"/shop.example", schemas.HTTPCheck{}), schemas.OK, "")
	expectWhole(t, s)
	expectOf(t, k, checked(schemas.KindDNS, "dns://"+deafAddress(t)+"/shop.example", schemas.HTTPCheck{}), schemas.Refused, "refused")
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	expect(t, k, schemas.KindDNS, "dns://"+silent.LocalAddr().String()+"/shop.example", schemas.TimedOut)
}

// TestAnswerTooLongForUDPComesOverTCP asks for two kilobytes of text. The phases are of both ways together.
func TestAnswerTooLongForUDPComesOverTCP(t *testing.T) {
	server := startNamed(t)
	s := expectOf(t, kit(t), checked(schemas.KindDNS, "dns://"+server+"/long.shop.example?type=TXT", schemas.HTTPCheck{}), schemas.OK, "")
	if s.ConnectUS == 0 {
		t.Errorf("phases of %+v", s)
	}
	expectWhole(t, s)
}

// TestForgedAnswersAreNotBelieved has a server that answers with another id, another name and another type first.
func TestForgedAnswersAreNotBelieved(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	go func() {
		packet := make([]byte, 512)
		for {
			n, from, err := server.ReadFrom(packet)
			if err != nil {
				return
			}
			send := func(change func(p []byte)) {
				p := bytes.Clone(packet[:n])
				p[2] |= 0x80
				change(p)
				_, _ = server.WriteTo(p, from)
			}
			send(func(p []byte) { p[0] ^= 1 })
			send(func(p []byte) { p[13] ^= 1 })
			send(func(p []byte) { p[len(p)-3] ^= 1 })
			_, _ = server.WriteTo(packet[:5], from)
			send(func(p []byte) { p[3] |= 2 })
		}
	}()
	expectOf(t, kit(t), checked(schemas.KindDNS, "dns://"+server.LocalAddr().String()+"/shop.example", schemas.HTTPCheck{}), schemas.NameError, "SERVERFAILURE")
}

// TestNamesAreAskedOverTCPThroughAProxy has a proxy, which carries no UDP.
func TestNamesAreAskedOverTCPThroughAProxy(t *testing.T) {
	server := startNamed(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var carried atomic.Int32
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go carry(conn, &carried)
		}
	}()
	k := probe.NewKit("london", socks.Dialer{Proxy: l.Addr().String()}, nil)
	defer k.Close(context.Background())
	expectOf(t, k, checked(schemas.KindDNS, "dns://"+server+"/shop.example", schemas.HTTPCheck{}), schemas.OK, "")
	if n := carried.Load(); n != 1 {
		t.Errorf("the proxy carried %d connections, want 1", n)
	}
}

func carry(conn net.Conn, carried *atomic.Int32) {
	defer func() { _ = conn.Close() }()
	r, err := socks.Accept(conn)
	if err != nil {
		return
	}
	to, err := net.Dial("tcp", r.Target.String())
	if r.Answer(conn, err) != nil || err != nil {
		return
	}
	defer func() { _ = to.Close() }()
	carried.Add(1)
	go func() { _, _ = io.Copy(to, conn) }()
	_, _ = io.Copy(conn, to)
}

// TestNameIsResolvedForEverySampleInAPhaseOfItsOwn has a slow server of names: blackbox_exporter's phases said something of the machine's cache, and counted the resolution to the connection.
func TestNameIsResolvedForEverySampleInAPhaseOfItsOwn(t *testing.T) {
	const slow, samples = 40 * time.Millisecond, 3
	names, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = names.Close() })
	asked := make(chan struct{}, 1000)
	go func() {
		packet := make([]byte, 512)
		for {
			n, from, err := names.ReadFrom(packet)
			if err != nil {
				return
			}
			asked <- struct{}{}
			time.Sleep(slow)
			question := packet[12 : 12+questionLength(packet[12:n])]
			answer := append([]byte{packet[0], packet[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, question...)
			if question[len(question)-3] == 1 { // A; there is no AAAA
				answer[7] = 1
				answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4, 127, 0, 0, 1) // may be kept for an hour
			}
			_, _ = names.WriteTo(answer, from)
		}
	}()
	resolver := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = resolver })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", names.LocalAddr().String())
	}}
	s := serve(t, says("ok"))
	k := kit(t)
	for i := range samples {
		for kind, address := range map[schemas.Kind]string{schemas.KindTCP: "shop.test:" + port(s), schemas.KindHTTP: "http://shop.test:" + port(s)} {
			m := started(t, k, checked(kind, address, schemas.HTTPCheck{}))
			if got := m.Sample; m.Err != nil || got.DNSUS < uint32(slow.Microseconds()) || got.ConnectUS >= uint32(slow.Microseconds()) {
				t.Errorf("sample %d of %s: %+v (%v), want %s or more in its resolution and less in its connection", i, kind, got, m.Err, slow)
			} else {
				expectWhole(t, got)
			}
		}
	}
	if n := len(asked); n < 2*samples {
		t.Errorf("the name was asked for %d times, want each of %d samples to ask", n, 2*samples)
	}
}

package probe_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/leeward-failover/leeward/pkg/socks"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/probe"
	"github.com/leeward-failover/leeward/services/prober/internal/target"
)

const timeout = 300 * time.Millisecond

// kit is a kit whose database reference is the URL itself.
func kit(t testing.TB) *probe.Kit {
	t.Helper()
	k := probe.NewKit("london", socks.Dialer{}, func(ref string) (string, error) { return ref, nil })
	t.Cleanup(func() { k.Close(context.Background()) })
	return k
}

func measure(k *probe.Kit, kind schemas.Kind, address string) (schemas.Sample, error) {
	m := k.Measure(context.Background(), target.Target{App: "shop", Region: "tokyo", Variant: "slim", Kind: kind, Address: address, Timeout: timeout}, time.Now())
	return m.Sample, m.Err
}

// expect measures and checks the outcome.
func expect(t *testing.T, k *probe.Kit, kind schemas.Kind, address string, want schemas.Outcome) schemas.Sample {
	t.Helper()
	s, err := measure(k, kind, address)
	if s.Outcome != want {
		t.Fatalf("%s %s ended %s (%v), want %s", kind, address, s.Outcome, err, want)
	}
	if (err == nil) != (want == schemas.OK) {
		t.Errorf("%s %s ended %s with error %v", kind, address, s.Outcome, err)
	}
	if want == schemas.TimedOut && time.Duration(s.LatencyUS)*time.Microsecond < timeout {
		t.Errorf("%s %s timed out with a latency of %d µs, want at least the timeout", kind, address, s.LatencyUS)
	}
	if s.App != "shop" || s.Region != "tokyo" || s.Variant != "slim" || s.Kind != kind || s.LateUS > s.LatencyUS {
		t.Errorf("sample %+v is not the target's", s)
	}
	return s
}

func TestTCP(t *testing.T) {
	k := kit(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := expect(t, k, schemas.KindTCP, l.Addr().String(), schemas.OK)
	if s.ConnectUS == 0 || s.ConnectUS > s.LatencyUS || s.DNSUS != 0 {
		t.Errorf("phases of %+v", s)
	}
	_ = l.Close()
	expect(t, k, schemas.KindTCP, l.Addr().String(), schemas.Refused)
	expect(t, k, schemas.KindTCP, deafListener(t), schemas.TimedOut)
	expect(t, k, schemas.KindTCP, "no port", schemas.OtherError)
}

// deafListener is an address whose queue is full: it drops what asks to connect.
func deafListener(t *testing.T) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", name.(*unix.SockaddrInet4).Port)
	for range 3 {
		if conn, err := net.DialTimeout("tcp", address, 50*time.Millisecond); err == nil {
			t.Cleanup(func() { _ = conn.Close() })
		}
	}
	return address
}

func TestHTTP(t *testing.T) {
	k := kit(t)
	connections := map[string]bool{}
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) {
		connections[r.RemoteAddr] = true
		time.Sleep(20 * time.Millisecond)
		_, _ = w.Write([]byte("half"))
		w.(http.Flusher).Flush()
		time.Sleep(30 * time.Millisecond)
		_, _ = w.Write([]byte("whole"))
	})
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/broken", http.StatusFound) })
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	mux.HandleFunc("/silent", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/stuck", func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("half"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	// A proxy that is not there would fail every request that used it.
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:9")

	for range 2 {
		s := expect(t, k, schemas.KindHTTP, server.URL+"/ok", schemas.OK)
		// A busy machine may see the first byte late, which moves time from the transfer to it; together they can not be shorter.
		if s.Status != 200 || s.ConnectUS == 0 || s.WriteUS == 0 || s.FirstByteUS < 20_000 || s.TransferUS == 0 || s.FirstByteUS+s.TransferUS < 49_900 || s.TLSUS != 0 {
			t.Errorf("phases of %+v", s)
		}
		if sum := s.LateUS + s.DNSUS + s.ConnectUS + s.WriteUS + s.FirstByteUS + s.TransferUS; sum > s.LatencyUS+6 || sum < s.LatencyUS*9/10 {
			t.Errorf("phases add up to %d µs of %d", sum, s.LatencyUS)
		}
	}
	if len(connections) != 2 {
		t.Errorf("2 samples used %d connections, want a fresh one each", len(connections))
	}
	if s := expect(t, k, schemas.KindHTTP, server.URL+"/moved", schemas.OK); s.Status != http.StatusFound {
		t.Errorf("status %d, want the redirect itself", s.Status)
	}
	if s := expect(t, k, schemas.KindHTTP, server.URL+"/broken", schemas.BadStatus); s.Status != http.StatusServiceUnavailable {
		t.Errorf("status %d, want 503", s.Status)
	}
	expect(t, k, schemas.KindHTTP, server.URL+"/silent", schemas.TimedOut)
	if s := expect(t, k, schemas.KindHTTP, server.URL+"/stuck", schemas.TimedOut); s.FirstByteUS == 0 {
		t.Errorf("the answer began, but %+v does not say so", s)
	}
}

func TestHTTPSNeedsATrustedCertificate(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	if s := expect(t, kit(t), schemas.KindHTTP, server.URL, schemas.TLSError); s.TLSUS == 0 {
		t.Errorf("no time in the handshake of %+v", s)
	}
}

func TestUnknownNameIsANameError(t *testing.T) {
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
			// The question comes back as an answer that says that there is no such name.
			packet[2], packet[3] = packet[2]|0x80, 0x83
			packet[11] = 0
			_, _ = server.WriteTo(packet[:12+questionLength(packet[12:n])], from)
		}
	}()
	resolver := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = resolver })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
	k := kit(t)
	if s := expect(t, k, schemas.KindHTTP, "http://nowhere.test/", schemas.NameError); s.DNSUS == 0 {
		t.Errorf("no time in the resolution of %+v", s)
	}
	expect(t, k, schemas.KindTCP, "nowhere.test:80", schemas.NameError)
	expect(t, k, schemas.KindICMP, "nowhere.test", schemas.NameError)
}

func questionLength(question []byte) int {
	return strings.IndexByte(string(question), 0) + 5
}

func TestLatencyCountsFromTheDueTime(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	k, late := kit(t), 2*timeout
	m := k.Measure(t.Context(), target.Target{Kind: schemas.KindTCP, Address: l.Addr().String(), Timeout: timeout}, time.Now().Add(-late))
	if m.Err != nil {
		t.Fatal("a late prober failed its target:", m.Err)
	}
	if s := m.Sample; s.LateUS < uint32(late.Microseconds()) || s.LatencyUS+1 < s.LateUS+s.ConnectUS { // each is rounded up
		t.Errorf("sample %+v does not count from its due time, %s before", s, late)
	}
}

// privileged skips, or fails in CI, where the process may not open raw sockets or namespaces.
func privileged(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("needs root")
	}
	t.Skip("needs root for raw sockets and network namespaces")
}

func TestICMP(t *testing.T) {
	privileged(t)
	k := kit(t)
	// Many at once, two to each address: what tells answers apart is not the address.
	type ended struct {
		sample schemas.Sample
		err    error
	}
	results := make(chan ended)
	const targets = 200
	for i := range targets {
		go func() {
			s, err := measure(k, schemas.KindICMP, fmt.Sprintf("127.0.3.%d", 1+i/2))
			results <- ended{s, err}
		}()
	}
	for range targets {
		if r := <-results; r.sample.Outcome != schemas.OK || r.sample.LatencyUS == 0 {
			t.Errorf("%+v: %v", r.sample, r.err)
		}
	}
	expect(t, k, schemas.KindICMP, "::1", schemas.OK)
}

// TestICMPWithoutAnAnswer runs in a network namespace of its own, in which there is only a loopback that does not answer.
func TestICMPWithoutAnAnswer(t *testing.T) {
	privileged(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The thread ends with the goroutine, since it is never unlocked, and the namespace with the thread.
		runtime.LockOSThread()
		if err := loopbackOnly(); err != nil {
			t.Error(err)
			return
		}
		k := probe.NewKit("london", socks.Dialer{}, nil)
		defer k.Close(context.Background())
		for _, c := range []struct {
			address string
			want    schemas.Outcome
		}{{"127.0.0.1", schemas.OK}, {"10.1.2.3", schemas.Unreachable}} {
			if s, err := measure(k, schemas.KindICMP, c.address); s.Outcome != c.want {
				t.Errorf("%s ended %s (%v), want %s", c.address, s.Outcome, err, c.want)
			}
		}
		if err := os.WriteFile("/proc/sys/net/ipv4/icmp_echo_ignore_all", []byte("1"), 0); err != nil {
			t.Error(err)
			return
		}
		s, err := measure(k, schemas.KindICMP, "127.0.0.1")
		if s.Outcome != schemas.TimedOut || s.LatencyUS < uint32(timeout.Microseconds()) {
			t.Errorf("silence ended %s after %d µs (%v), want a time-out", s.Outcome, s.LatencyUS, err)
		}
	}()
	<-done
}

// loopbackOnly moves the thread into a new network namespace and raises its loopback.
func loopbackOnly() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}

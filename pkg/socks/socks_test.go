package socks_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/socks"
)

// proxy connects whoever asks, unless refuse says why not.
func proxy(t *testing.T, refuse func(socks.Request) error) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serve(conn, refuse)
		}
	}()
	return l.Addr().String()
}

func serve(conn net.Conn, refuse func(socks.Request) error) {
	defer func() { _ = conn.Close() }()
	r, err := socks.Accept(conn)
	if err != nil {
		return
	}
	if err := refuse(r); err != nil {
		_ = r.Answer(conn, err)
		return
	}
	to, err := net.Dial("tcp", r.Target.String())
	if r.Answer(conn, err) != nil || err != nil {
		return
	}
	defer func() { _ = to.Close() }()
	go func() { _, _ = io.Copy(to, conn) }()
	_, _ = io.Copy(conn, to)
}

func never(socks.Request) error { return nil }

func TestDialerConnectsThroughTheProxy(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	defer app.Close()
	asked := make(chan string, 1)
	at := proxy(t, func(r socks.Request) error { asked <- r.Target.String(); return nil })
	client := http.Client{Transport: &http.Transport{DialContext: socks.Dialer{Proxy: at}.DialContext}}
	response, err := client.Get(app.URL)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if got := <-asked; string(body) != "hello" || got != app.Listener.Addr().String() {
		t.Errorf("%q through a proxy that was asked for %s, want %s", body, got, app.Listener.Addr())
	}
}

func TestRefusalsAreThoseOfADirectConnection(t *testing.T) {
	for want := range map[error]bool{syscall.ECONNREFUSED: true, syscall.EHOSTUNREACH: true, syscall.ENETUNREACH: true, socks.ErrForbidden: true} {
		at := proxy(t, func(socks.Request) error { return want })
		if _, err := (socks.Dialer{Proxy: at}).DialContext(t.Context(), "tcp", "127.0.0.1:1"); !errors.Is(err, want) {
			t.Errorf("refused with %v, want %v", err, want)
		}
	}
	at := proxy(t, never)
	if _, err := (socks.Dialer{Proxy: at}).DialContext(t.Context(), "tcp", "127.0.0.1:1"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a closed port is %v, want refused", err)
	}
}

func TestDialerObeysItsContext(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	at := proxy(t, func(socks.Request) error { <-hang; return errors.New("too late") })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	var timeout net.Error
	if _, err := (socks.Dialer{Proxy: at}).DialContext(ctx, "tcp", "127.0.0.1:1"); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("a proxy that hangs ends in %v, want a time-out", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

// TestCurlIsUnderstood asks with a client that is not ours, in both versions.
func TestCurlIsUnderstood(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not installed")
	}
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	defer app.Close()
	at := proxy(t, never)
	for _, version := range []string{"--socks4", "--socks5"} {
		out, err := exec.CommandContext(t.Context(), curl, "-sS", "-m", "10", "--noproxy", "", version, at, app.URL).CombinedOutput()
		if err != nil || string(out) != "hello" {
			t.Errorf("curl %s: %v: %s", version, err, out)
		}
		if out, err := exec.CommandContext(t.Context(), curl, "-sS", "-m", "10", "--noproxy", "", version, at, "http://127.0.0.1:1/").CombinedOutput(); err == nil {
			t.Errorf("curl %s reached a closed port: %s", version, out)
		}
	}
}

func TestWhatIsNoSOCKSIsRefused(t *testing.T) {
	for name, text := range map[string]string{"HTTP": "GET / HTTP/1.1\r\n\r\n", "a name": "\x05\x01\x00\x05\x01\x00\x03\x04here\x00\x50", "bind": "\x05\x01\x00\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50", "cut short": "\x05", "a long name": "\x04\x01\x00\x50\x7f\x00\x00\x01" + strings.Repeat("x", 1000)} {
		conn := struct {
			io.Reader
			io.Writer
		}{strings.NewReader(text), io.Discard}
		if r, err := socks.Accept(conn); err == nil {
			t.Errorf("%s is taken for a request for %s", name, r.Target)
		}
	}
}

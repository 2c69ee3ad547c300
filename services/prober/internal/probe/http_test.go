package probe_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

func TestAnswersAreChecked(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/created":
			w.WriteHeader(http.StatusCreated)
		case "/host":
			_, _ = w.Write([]byte(r.Host))
		case "/early":
			w.Header().Set("Link", "</style.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			_, _ = w.Write([]byte("late"))
		case "/long":
			_, _ = w.Write([]byte(strings.Repeat("x", 1<<20)))
			_, _ = w.Write([]byte("end"))
		default:
			w.Header().Add("X-Role", "replica")
			w.Header().Add("X-Role", "primary")
			_, _ = w.Write([]byte(`{"status":"degraded"}`))
		}
	})
	two := serve(t, s.Config.Handler.ServeHTTP, func(s *httptest.Server) {
		s.Config.Protocols = new(http.Protocols)
		s.Config.Protocols.SetUnencryptedHTTP2(true)
	})
	k := kit(t)
	for name, c := range map[string]struct {
		path  string
		check schemas.HTTPCheck
		want  schemas.Outcome
		says  string
	}{
		"nothing":            {"/", schemas.HTTPCheck{}, schemas.OK, ""},
		"a status":           {"/created", schemas.HTTPCheck{Status: []int{200, 201}}, schemas.OK, ""},
		"another status":     {"/created", schemas.HTTPCheck{Status: []int{200, 204}}, schemas.BadStatus, "http: status 201 Created"},
		"a header":           {"/", schemas.HTTPCheck{Header: map[string]string{"x-role": "^primary$"}}, schemas.OK, ""},
		"another header":     {"/", schemas.HTTPCheck{Header: map[string]string{"X-Role": "^standby$"}}, schemas.BadStatus, `the header X-Role is ["replica" "primary"], which does not match ^standby$`},
		"no header":          {"/", schemas.HTTPCheck{Header: map[string]string{"X-Rank": ""}}, schemas.BadStatus, "the header X-Rank is []"},
		"a body":             {"/", schemas.HTTPCheck{Body: `"status":"(up|degraded)"`}, schemas.OK, ""},
		"another body":       {"/", schemas.HTTPCheck{Body: `"status":"up"`}, schemas.BadStatus, `the body does not match "status":"up"`},
		"a body too long":    {"/long", schemas.HTTPCheck{Body: "end"}, schemas.BadStatus, "the body does not match end"},
		"a long body":        {"/long", schemas.HTTPCheck{Body: "x"}, schemas.OK, ""},
		"a host":             {"/host", schemas.HTTPCheck{Host: "shop.example", Body: "^shop.example$"}, schemas.OK, ""},
		"behind early hints": {"/early", schemas.HTTPCheck{Status: []int{200}, Body: "late"}, schemas.OK, ""},
		"not an expression":  {"/", schemas.HTTPCheck{Body: "("}, schemas.OtherError, "missing closing )"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, version := range []string{"", "1.1", "2"} {
				c.check.Version = version
				url := s.URL
				if version == "2" {
					url = two.URL
				}
				sample := expectOf(t, k, checked(schemas.KindHTTP, url+c.path, c.check), c.want, c.says)
				if c.want == schemas.OK {
					expectWhole(t, sample)
				}
			}
		})
	}
}

func TestHTTP2(t *testing.T) {
	s := serveTLS(t, func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, r.Proto) }, func(s *httptest.Server) { s.EnableHTTP2 = true })
	k := kit(t)
	sample := expectOf(t, k, checked(schemas.KindHTTP, s.URL, schemas.HTTPCheck{Version: "2", Body: "^HTTP/2.0$"}), schemas.OK, "")
	if sample.Status != 200 || sample.TLSUS == 0 || sample.FirstByteUS == 0 {
		t.Errorf("phases of %+v", sample)
	}
	expectWhole(t, sample)
	expectOf(t, k, checked(schemas.KindHTTP, s.URL, schemas.HTTPCheck{Version: "1.1", Body: "^HTTP/1.1$"}), schemas.OK, "")
	plain := serveTLS(t, says("ok"), func(s *httptest.Server) { s.TLS.NextProtos = []string{"http/1.1"} })
	expectOf(t, k, checked(schemas.KindHTTP, plain.URL, schemas.HTTPCheck{Version: "2"}), schemas.TLSError, "no application protocol")
	// A server that knows nothing of ALPN ignores what it is asked for.
	expectOf(t, k, checked(schemas.KindHTTP, "https://"+secured(t, nil), schemas.HTTPCheck{Version: "2"}), schemas.TLSError, "the server does not speak HTTP 2")
}

// TestPhasesAddUpOverRedirects is for what blackbox_exporter had wrong: over redirects its phases were those of the last request, and no sum of them the whole.
func TestPhasesAddUpOverRedirects(t *testing.T) {
	const slow = 30 * time.Millisecond
	end := serveTLS(t, func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(slow)
		_, _ = w.Write([]byte("end"))
	})
	hop := serveTLS(t, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(slow)
		http.Redirect(w, r, end.URL+"/end", http.StatusFound)
	})
	start := serve(t, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(slow)
		if r.URL.Path == "/" {
			http.Redirect(w, r, "relative", http.StatusMovedPermanently)
			return
		}
		http.Redirect(w, r, hop.URL, http.StatusTemporaryRedirect)
	})
	k := kit(t)
	s := expectOf(t, k, checked(schemas.KindHTTP, start.URL, schemas.HTTPCheck{Redirects: 3, Body: "end"}), schemas.OK, "")
	if s.Status != 200 || s.FirstByteUS < uint32(4*slow.Microseconds()) {
		t.Errorf("%+v does not have the time of 4 requests", s)
	}
	expectWhole(t, s)
	one := expectOf(t, k, checked(schemas.KindHTTP, end.URL, schemas.HTTPCheck{}), schemas.OK, "")
	if one.FirstByteUS > s.FirstByteUS/2 {
		t.Errorf("one request took %d µs to its first byte, four took %d", one.FirstByteUS, s.FirstByteUS)
	}

	expectOf(t, k, checked(schemas.KindHTTP, start.URL, schemas.HTTPCheck{Redirects: 2}), schemas.BadStatus, "status 302 Found after 2 redirects")
	s = expectOf(t, k, checked(schemas.KindHTTP, start.URL, schemas.HTTPCheck{}), schemas.OK, "")
	if s.Status != http.StatusMovedPermanently {
		t.Errorf("status %d, want the redirect itself", s.Status)
	}
}

func TestRedirects(t *testing.T) {
	k := kit(t)
	var to string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusFound)
		case "/host":
			_, _ = w.Write([]byte(r.Host))
		}
	})
	for _, c := range []struct {
		to, host string
		want     schemas.Outcome
		says     string
	}{
		{"/", "", schemas.BadStatus, "after 5 redirects"},
		{"ftp://files.example/", "", schemas.OtherError, "ftp://files.example/ is no address of HTTP"},
		{"http://" + deafAddress(t), "", schemas.Refused, "refused"},
		// The app sends on to its public name: the region's own server is to answer to that, not whatever region the name leads to.
		{"http://shop.example:" + port(s) + "/host", "shop.example", schemas.OK, ""},
	} {
		to = c.to
		check := schemas.HTTPCheck{Redirects: 5, Host: c.host}
		if c.want == schemas.OK {
			check.Body = "^shop.example:" + port(s) + "$"
		}
		expectOf(t, k, checked(schemas.KindHTTP, s.URL, check), c.want, c.says)
	}
}

func port(s *site) string {
	_, port, _ := net.SplitHostPort(s.host())
	return port
}

// deafAddress is an address at which nobody listens.
func deafAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func TestKeptConnectionIsOpenBeforeTheMeasurement(t *testing.T) {
	for version, address := range map[string]string{
		"1.1":              serve(t, says("ok")).URL,
		"1.1 over TLS":     serveTLS(t, says("ok")).URL,
		"2 over TLS":       serveTLS(t, says("ok"), func(s *httptest.Server) { s.EnableHTTP2 = true }).URL,
		"1.1 with a check": serve(t, says("ok")).URL,
	} {
		t.Run(version, func(t *testing.T) {
			k := kit(t)
			check := schemas.HTTPCheck{Version: strings.Fields(version)[0], Body: "ok"}
			for range 5 {
				s := expectOf(t, k, checked(schemas.KindHTTPKept, address, check), schemas.OK, "")
				if s.ConnectUS+s.TLSUS+s.DNSUS != 0 || s.FirstByteUS == 0 || s.Status != 200 {
					t.Errorf("phases of %+v", s)
				}
				expectWhole(t, s)
			}
		})
	}
}

func TestOneConnectionIsKept(t *testing.T) {
	s := serve(t, says("ok"))
	k := kit(t)
	of := checked(schemas.KindHTTPKept, s.URL, schemas.HTTPCheck{})
	for range 5 {
		expectOf(t, k, of, schemas.OK, "")
	}
	if n := s.opened.Load(); n != 1 {
		t.Errorf("5 samples opened %d connections, want 1", n)
	}
	// Samples that overlap need more than one for a while.
	var work sync.WaitGroup
	for range 8 {
		work.Go(func() { k.Measure(context.Background(), of, time.Now()) })
	}
	work.Wait()
	k.Close(context.Background())
	for deadline := time.Now().Add(5 * time.Second); open(s) > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are open after the kit was closed", open(s))
		}
	}
}

func open(s *site) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, state := range s.conns {
		if state != http.StateClosed {
			n++
		}
	}
	return n
}

// TestConnectionThatTheServerClosedWhileIdleIsNoFailure has the server hang up between two samples. The second is measured on a new connection, whose opening it does not count.
func TestConnectionThatTheServerClosedWhileIdleIsNoFailure(t *testing.T) {
	for name, configure := range map[string]func(*httptest.Server){"1.1": func(*httptest.Server) {}, "2": func(s *httptest.Server) { s.EnableHTTP2 = true }} {
		t.Run(name, func(t *testing.T) {
			const slow = 100 * time.Millisecond
			s := serveTLS(t, says("ok"), configure, func(s *httptest.Server) { s.Listener = slowListener{s.Listener, slow} })
			k := kit(t)
			of := checked(schemas.KindHTTPKept, s.URL, schemas.HTTPCheck{Version: name})
			expectOf(t, k, of, schemas.OK, "")
			for range 3 {
				s.hangUp(t)
				sample := expectOf(t, k, of, schemas.OK, "")
				if sample.LatencyUS >= uint32(slow.Microseconds()) {
					t.Errorf("%+v counts the opening of a connection, which takes %s", sample, slow)
				}
				expectWhole(t, sample)
			}
			if n := s.opened.Load(); n != 4 {
				t.Errorf("%d connections were opened, want 4", n)
			}
			s.CloseClientConnections()
			s.Close()
			expectOf(t, k, of, schemas.Refused, "refused")
		})
	}
}

// slowListener takes its time before it serves a connection.
type slowListener struct {
	net.Listener
	pause time.Duration
}

func (l slowListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	time.Sleep(l.pause)
	return conn, err
}

// TestServerThatHangsUpOnEveryRequestIsAFailure accepts and answers nothing, which no new connection makes better.
func TestServerThatHangsUpOnEveryRequestIsAFailure(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	accepted := make(chan struct{}, 100)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- struct{}{}
			_, _ = bufio.NewReader(conn).ReadString('\n')
			_ = conn.Close()
		}
	}()
	expectOf(t, kit(t), checked(schemas.KindHTTPKept, "http://"+l.Addr().String(), schemas.HTTPCheck{}), schemas.OtherError, "")
	if n := len(accepted); n != 1 {
		t.Errorf("%d connections for one sample, want 1", n)
	}
}

func TestKeptConnectionEndsWithWhatCanNotBeReadToItsEnd(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"a body too long":   says(strings.Repeat("x", 3<<20)),
		"connection: close": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") },
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, handler)
			k := kit(t)
			for range 3 {
				sample := expectOf(t, k, checked(schemas.KindHTTPKept, s.URL, schemas.HTTPCheck{}), schemas.OK, "")
				expectWhole(t, sample)
			}
			if n := s.opened.Load(); n != 3 {
				t.Errorf("%d connections, want a new one after each answer", n)
			}
		})
	}
}

func TestKeptConnectionTimesOut(t *testing.T) {
	silent := make(chan struct{})
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/silent" {
			<-silent
		}
	})
	t.Cleanup(func() { close(silent) })
	k := kit(t)
	if s := expect(t, k, schemas.KindHTTPKept, s.URL+"/silent", schemas.TimedOut); s.ConnectUS != 0 {
		t.Errorf("phases of %+v", s)
	}
	// The connection that was given up is not used again, and one that can not be opened in time is a time-out.
	expect(t, k, schemas.KindHTTPKept, s.URL+"/silent", schemas.TimedOut)
	if n := s.opened.Load(); n != 2 {
		t.Errorf("%d connections, want a new one after a time-out", n)
	}
	expect(t, k, schemas.KindHTTPKept, "http://"+deafListener(t), schemas.TimedOut)
}

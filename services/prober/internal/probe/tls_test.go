package probe_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// secured is the address of a server that speaks TLS and nothing inside it, with a certificate unless the configuration has one.
func secured(t testing.TB, config *tls.Config) string {
	t.Helper()
	if config == nil {
		config = &tls.Config{}
	}
	if len(config.Certificates) == 0 {
		config.Certificates = []tls.Certificate{authority.issue(t, 30*24*time.Hour)}
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
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
			go func() {
				defer func() { _ = conn.Close() }()
				_, _ = io.Copy(io.Discard, conn)
			}()
		}
	}()
	return l.Addr().String()
}

func TestTLS(t *testing.T) {
	k := kit(t)
	for name, address := range map[string]string{"host:port": secured(t, nil), "https": serveTLS(t, says("ok")).URL} {
		s := expectOf(t, k, checked(schemas.KindTLS, address, schemas.HTTPCheck{}), schemas.OK, "")
		if s.ConnectUS == 0 || s.TLSUS == 0 || s.WriteUS+s.FirstByteUS+s.TransferUS+s.Status != 0 {
			t.Errorf("%s: phases of %+v", name, s)
		}
		expectWhole(t, s)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	expect(t, k, schemas.KindTLS, silent.Addr().String(), schemas.TimedOut)
	expect(t, k, schemas.KindTLS, deafListener(t), schemas.TimedOut)
	expect(t, k, schemas.KindTLS, deafAddress(t), schemas.Refused)
	stranger := httptest.NewTLSServer(says("ok"))
	t.Cleanup(stranger.Close)
	for _, kind := range []schemas.Kind{schemas.KindTLS, schemas.KindTLSResumed, schemas.KindHTTP, schemas.KindHTTPKept} {
		expectOf(t, k, checked(kind, stranger.URL, schemas.HTTPCheck{}), schemas.TLSError, "certificate signed by unknown authority")
		expectOf(t, k, checked(kind, serveTLS(t, says("ok")).URL, schemas.HTTPCheck{Host: "other.example"}), schemas.TLSError, "not other.example")
	}
	expectOf(t, k, checked(schemas.KindTLS, serve(t, says("ok")).host(), schemas.HTTPCheck{}), schemas.TLSError, "does not look like a TLS handshake")
}

// TestCertificateFailsBeforeItExpires has certificates that last ten days still, and some that have gone by.
func TestCertificateFailsBeforeItExpires(t *testing.T) {
	k := kit(t)
	const day = 24 * time.Hour
	ten := serveTLS(t, says("ok"), func(s *httptest.Server) { s.TLS.Certificates = []tls.Certificate{authority.issue(t, 10*day)} })
	gone := serveTLS(t, says("ok"), func(s *httptest.Server) { s.TLS.Certificates = []tls.Certificate{authority.issue(t, -time.Minute)} })
	expires := time.Now().Add(10 * day).UTC().Format("2006-01-02")
	for _, kind := range []schemas.Kind{schemas.KindTLS, schemas.KindTLSResumed, schemas.KindHTTP, schemas.KindHTTPKept} {
		for range 2 {
			expectOf(t, k, checked(kind, ten.URL, schemas.HTTPCheck{}), schemas.OK, "")
			expectOf(t, k, checked(kind, ten.URL, schemas.HTTPCheck{CertificateDays: 9}), schemas.OK, "")
			expectOf(t, k, checked(kind, ten.URL, schemas.HTTPCheck{CertificateDays: 11}), schemas.TLSError, "the certificate expires at "+expires)
			expectOf(t, k, checked(kind, gone.URL, schemas.HTTPCheck{}), schemas.TLSError, "certificate has expired")
		}
	}
}

// TestKeptConnectionDoesNotHideThatItsCertificateExpires opens a connection while the certificate lasts as long as it should, and asks again when it does no more.
func TestKeptConnectionDoesNotHideThatItsCertificateExpires(t *testing.T) {
	s := serveTLS(t, says("ok"), func(s *httptest.Server) {
		s.TLS.Certificates = []tls.Certificate{authority.issue(t, 24*time.Hour+2*time.Second)}
	})
	k := kit(t)
	of := checked(schemas.KindHTTPKept, s.URL, schemas.HTTPCheck{CertificateDays: 1})
	expectOf(t, k, of, schemas.OK, "")
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		m := k.Measure(t.Context(), of, time.Now())
		if m.Sample.Outcome == schemas.TLSError && strings.Contains(m.Err.Error(), "within 1 days") {
			return
		}
		if m.Err != nil || time.Now().After(deadline) {
			t.Fatalf("%v", m.Err)
		}
	}
}

func TestResumedHandshakeGoesOnWithAnEarlierSession(t *testing.T) {
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			resumed := make(chan bool, 100)
			config := &tls.Config{MaxVersion: version, VerifyConnection: func(s tls.ConnectionState) error {
				resumed <- s.DidResume
				return nil
			}}
			address := secured(t, config)
			k := kit(t)
			of := checked(schemas.KindTLSResumed, address, schemas.HTTPCheck{})
			for range 5 {
				s := expectOf(t, k, of, schemas.OK, "")
				if s.ConnectUS == 0 || s.TLSUS == 0 {
					t.Errorf("phases of %+v", s)
				}
				expectWhole(t, s)
			}
			expectResumed(t, resumed, 1, 5)

			// A server that was started again knows none of the tickets that it gave before.
			config.SetSessionTicketKeys([][32]byte{{1}})
			s := expectOf(t, k, of, schemas.OK, "")
			expectWhole(t, s)
			expectResumed(t, resumed, 2, 1)
			// A handshake from nothing stays one beside it.
			expectOf(t, k, checked(schemas.KindTLS, address, schemas.HTTPCheck{}), schemas.OK, "")
			expectResumed(t, resumed, 1, 0)
		})
	}
}

// expectResumed checks how many handshakes a server saw; those that overlap may come in either order.
func expectResumed(t *testing.T, resumed <-chan bool, fromNothing, goingOn int) {
	t.Helper()
	var got [2]int
	for i := range fromNothing + goingOn {
		select {
		case r := <-resumed:
			if r {
				got[1]++
			} else {
				got[0]++
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("%d handshakes, want %d", i, fromNothing+goingOn)
		}
	}
	if got != [2]int{fromNothing, goingOn} || len(resumed) > 0 {
		t.Errorf("%d handshakes from nothing, %d that went on and %d more, want %d and %d", got[0], got[1], len(resumed), fromNothing, goingOn)
	}
}

func TestServerWithoutTicketsResumesNothing(t *testing.T) {
	k := kit(t)
	expectOf(t, k, checked(schemas.KindTLSResumed, secured(t, &tls.Config{SessionTicketsDisabled: true, MaxVersion: tls.VersionTLS12}), schemas.HTTPCheck{}), schemas.TLSError, "the server resumes no session")
	of := checked(schemas.KindTLSResumed, secured(t, &tls.Config{SessionTicketsDisabled: true}), schemas.HTTPCheck{})
	of.Timeout = timeout
	expectOf(t, k, of, schemas.TLSError, "the server resumes no session")
}

package probe_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/probe"
	"github.com/leeward-failover/leeward/services/prober/internal/target"
)

// authority signs the certificates of this package's servers. The machine trusts it from the start of the test process: roots are read once.
var authority = newAuthority()

type signer struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority() signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0), IsCA: true, BasicConstraintsValid: true}
	der, err2 := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	folder, err3 := os.MkdirTemp("", "authority")
	certificate, err4 := x509.ParseCertificate(der)
	file := filepath.Join(folder, "ca.pem")
	err5 := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
	err6 := os.Setenv("SSL_CERT_FILE", file)
	if err := errors.Join(err, err2, err3, err4, err5, err6); err != nil {
		panic(err)
	}
	_, err = x509.SystemCertPool()
	if err := errors.Join(err, os.RemoveAll(folder)); err != nil {
		panic(err)
	}
	return signer{certificate, key}
}

// issue makes a certificate of 127.0.0.1 and shop.example.
func (s signer) issue(t testing.TB, lasts time.Duration) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(lasts),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"shop.example"}}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, s.certificate, &key.PublicKey, s.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// site is a server over HTTP that counts what it is asked.
type site struct {
	*httptest.Server
	opened, requests atomic.Int32
	mu               sync.Mutex
	conns            map[net.Conn]http.ConnState
}

// serve starts a server without TLS; configure changes it before it starts.
func serve(t testing.TB, handler http.HandlerFunc, configure ...func(*httptest.Server)) *site {
	t.Helper()
	s := newSite(t, handler, configure)
	s.Start()
	return s
}

// serveTLS starts a server with a certificate of 127.0.0.1 and shop.example that lasts 30 days.
func serveTLS(t testing.TB, handler http.HandlerFunc, configure ...func(*httptest.Server)) *site {
	t.Helper()
	s := newSite(t, handler, nil)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{authority.issue(t, 30*24*time.Hour)}}
	for _, c := range configure {
		c(s.Server)
	}
	s.StartTLS()
	return s
}

func newSite(t testing.TB, handler http.HandlerFunc, configure []func(*httptest.Server)) *site {
	s := &site{conns: map[net.Conn]http.ConnState{}}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		handler(w, r)
	}))
	s.Config.ConnState = func(c net.Conn, state http.ConnState) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.conns[c] = state; state == http.StateNew {
			s.opened.Add(1)
		}
	}
	for _, c := range configure {
		c(s.Server)
	}
	t.Cleanup(s.Close)
	return s
}

// hangUp closes the connection that is idle, as a server does after a while. It may take a moment after the answer until one is.
func (s *site) hangUp(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		s.mu.Lock()
		for c, state := range s.conns {
			if state == http.StateIdle {
				_ = c.Close()
				delete(s.conns, c)
				s.mu.Unlock()
				return
			}
		}
		s.mu.Unlock()
	}
	t.Fatal("no connection is idle")
}

func (s *site) host() string { return s.Listener.Addr().String() }

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
}

// checked is a target of a kind with a check.
func checked(kind schemas.Kind, address string, check schemas.HTTPCheck) target.Target {
	return target.Target{App: "shop", Region: "tokyo", Variant: "slim", Kind: kind, Address: address, Timeout: 2 * time.Second, Check: &check}
}

// expectOf measures a target and checks the outcome and what the error says.
func expectOf(t testing.TB, k *probe.Kit, of target.Target, want schemas.Outcome, says string) schemas.Sample {
	t.Helper()
	m := k.Measure(context.Background(), of, time.Now())
	if m.Sample.Outcome != want || (m.Err == nil) != (want == schemas.OK) || (m.Err != nil && !strings.Contains(m.Err.Error(), says)) {
		t.Fatalf("%s %s ended %s (%v), want %s (%s)", of.Kind, of.Address, m.Sample.Outcome, m.Err, want, says)
	}
	return m.Sample
}

// phases is the sum of a sample's.
func phases(s schemas.Sample) uint32 {
	return s.DNSUS + s.ConnectUS + s.TLSUS + s.WriteUS + s.FirstByteUS + s.TransferUS
}

// expectWhole checks that the phases of a sample add up to all of it; each is rounded up to a microsecond.
func expectWhole(t testing.TB, s schemas.Sample) {
	t.Helper()
	if sum := s.LateUS + phases(s); sum < s.LatencyUS || sum > s.LatencyUS+7 {
		t.Errorf("the phases of %+v add up to %d µs, not %d", s, sum, s.LatencyUS)
	}
}

package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// request is one request and what became of it.
type request struct {
	sample schemas.Sample
	// sent says that it was sent, reached that a connection took all of it, again that another took it once more, givenUp that it was still open when the load was stopped.
	sent, reached, again, givenUp bool
	// err is what is behind an outcome that is not ok.
	err error
}

// client sends the requests of a plan.
type client struct {
	timeout   time.Duration
	request   *http.Request
	transport *http.Transport
}

func newClient(p Plan) (*client, error) {
	r, err := http.NewRequest(http.MethodGet, p.URL, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "leeward-bench")
	d := dialer{net.Dialer{Timeout: p.Timeout}}
	return &client{p.Timeout, r, &http.Transport{
		DialContext: d.openPlain, DialTLSContext: d.openTLS, MaxIdleConnsPerHost: p.MaxInFlight, DisableKeepAlives: p.Fresh, DisableCompression: true,
	}}, nil
}

func (c *client) close() { c.transport.CloseIdleConnections() }

// ask sends the request that is due and reads all of the answer; it follows no redirect.
func (c *client) ask(ctx context.Context, due time.Time) request {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	t := &trace{}
	sent := time.Now()
	status, err := c.exchange(httptrace.WithClientTrace(ctx, t.hooks()))
	ended := time.Now()
	late, took := max(0, sent.Sub(due)), ended.Sub(sent)
	r := request{sent: true, givenUp: err != nil && errors.Is(ctx.Err(), context.Canceled), err: err}
	outcome := classify(ctx, err, status)
	switch {
	case r.givenUp:
		r.err = fmt.Errorf("open for %s when the load was stopped", took.Round(time.Millisecond))
	case outcome == schemas.TimedOut:
		took, r.err = max(took, c.timeout), fmt.Errorf("no answer in %s", c.timeout)
	case outcome == schemas.BadStatus:
		r.err = fmt.Errorf("status %d", status)
	}
	r.sample = schemas.Sample{
		Kind: schemas.KindBench, Outcome: outcome, DueUS: due.UnixMicro(), LatencyUS: micros(late + took), LateUS: micros(late), Status: uint32(status),
	}
	t.tell(&r, ended)
	return r
}

func (c *client) exchange(ctx context.Context) (status int, err error) {
	resp, err := c.transport.RoundTrip(c.request.Clone(ctx))
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// conn is a connection and how long it took to open.
type conn struct {
	net.Conn
	dns, connect, tls time.Duration
}

type dialer struct{ net.Dialer }

func (d dialer) open(ctx context.Context, network, address string) (*conn, error) {
	c := &conn{}
	var asked time.Time
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart: func(httptrace.DNSStartInfo) { asked = time.Now() },
		DNSDone:  func(httptrace.DNSDoneInfo) { c.dns = time.Since(asked) },
	})
	began := time.Now()
	var err error
	c.Conn, err = d.DialContext(ctx, network, address)
	c.connect = time.Since(began) - c.dns
	return c, err
}

func (d dialer) openPlain(ctx context.Context, network, address string) (net.Conn, error) {
	return d.open(ctx, network, address)
}

// tlsError marks what went wrong in a TLS handshake.
type tlsError struct{ error }

func (e tlsError) Unwrap() error { return e.error }

func (d dialer) openTLS(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.open(ctx, network, address)
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	began := time.Now()
	secured := tls.Client(c.Conn, &tls.Config{ServerName: host, NextProtos: []string{"http/1.1"}})
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = c.Close()
		return nil, tlsError{err}
	}
	c.Conn, c.tls = secured, time.Since(began)
	return c, nil
}

// trace is when the parts of a request were over. The transport tells from goroutines of its own, even after the request has ended. A request whose kept connection the server
// closed before an answer it sends again on another, as browsers do; the last time counts.
type trace struct {
	mu                  sync.Mutex
	fresh               *conn
	again               bool
	got, written, first time.Time
}

func (t *trace) hooks() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.again = t.again || !t.written.IsZero()
			t.fresh, t.got, t.written, t.first = nil, time.Now(), time.Time{}, time.Time{}
			// Who gets a connection that was opened for another has not waited for it to open.
			if c, ok := info.Conn.(*conn); ok && !info.Reused {
				t.fresh = c
			}
		},
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			t.mu.Lock()
			defer t.mu.Unlock()
			if info.Err == nil {
				t.written = time.Now()
			}
		},
		GotFirstResponseByte: func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.first = time.Now()
		},
	}
}

// tell sets a request's phases, and whether it was written.
func (t *trace) tell(r *request, ended time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &r.sample
	if t.fresh != nil {
		s.DNSUS, s.ConnectUS, s.TLSUS = micros(t.fresh.dns), micros(t.fresh.connect), micros(t.fresh.tls)
	}
	s.WriteUS, s.FirstByteUS, s.TransferUS = between(t.got, t.written), between(t.written, t.first), between(t.first, ended)
	r.again, r.reached = t.again, t.again || !t.written.IsZero()
}

// between is 0 when one of the two did not come to be.
func between(a, b time.Time) uint32 {
	if a.IsZero() || b.IsZero() {
		return 0
	}
	return micros(b.Sub(a))
}

// micros rounds up to whole microseconds, so that what took some time never took none.
func micros(d time.Duration) uint32 {
	return uint32(min(max(0, (d+time.Microsecond-1)/time.Microsecond), math.MaxUint32))
}

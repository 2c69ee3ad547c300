package probe

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/target"
)

// bodyLimit is how much of an answer is read; what is longer counts as complete there.
const bodyLimit = 1 << 20

// client measures what speaks TLS and HTTP. HTTP 1.1 is written by hand, so that each phase is timed apart and little is spent on it.
type client struct {
	dial  Dial
	doors memory[door]
}

func newClient(dial Dial) *client {
	return &client{dial: dial, doors: memory[door]{make: newDoor, forget: (*door).close}}
}

func (c *client) close() { c.doors.clear() }

// http asks for a URL on a fresh connection, and for where it redirects to on more of them if the target says so.
func (c *client) http(ctx context.Context, t target.Target) Result {
	r := begin()
	d, err := c.doors.of(t)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, t.Timeout)
		defer cancel()
		err = c.follow(ctx, &r, d)
	}
	r.Err = err
	return r
}

func (c *client) follow(ctx context.Context, r *Result, d *door) error {
	next := d.first
	for followed := 0; ; followed++ {
		a, err := c.once(ctx, r, next, d.body != nil)
		if err != nil && followed > 0 {
			return fmt.Errorf("redirected to %s: %w", excerpt(next.url.String()), err)
		}
		if err != nil {
			return err
		}
		to := a.redirect(next.url)
		switch {
		case to == nil || d.check.Redirects == 0:
			return d.judge(a)
		case followed == d.check.Redirects:
			return answerError(fmt.Sprintf("status %s after %d redirects", a.Status, followed))
		}
		if next, err = d.hop(to); err != nil {
			return err
		}
	}
}

// once asks on a connection of its own.
func (c *client) once(ctx context.Context, r *Result, h *hop, body bool) (answer, error) {
	l, err := c.openHTTP(ctx, r, h)
	if err != nil {
		r.Ended = time.Now()
		return answer{}, err
	}
	defer l.close()
	a, err := l.ask(ctx, r, h, body)
	if err != nil {
		r.Ended = time.Now()
	}
	return a, err
}

// openHTTP opens a connection for requests.
func (c *client) openHTTP(ctx context.Context, r *Result, h *hop) (*line, error) {
	l, err := c.dial.open(ctx, r, h)
	if err != nil {
		return nil, err
	}
	if !h.two {
		l.reader = readers.Get().(*bufio.Reader)
		l.reader.Reset(l.Conn)
		return l, nil
	}
	if err := l.speakTwo(ctx, h); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// speakTwo begins with HTTP 2 on an open connection, without TLS too.
func (l *line) speakTwo(ctx context.Context, h *hop) (err error) {
	if secured, ok := l.Conn.(*tls.Conn); ok && secured.ConnectionState().NegotiatedProtocol != "h2" {
		return tlsError{errors.New("the server does not speak HTTP 2")}
	}
	given := func(context.Context, string, string) (net.Conn, error) { return l.Conn, nil }
	over := &http.Transport{DialContext: given, DialTLSContext: given, Protocols: new(http.Protocols), DisableCompression: true}
	over.Protocols.SetHTTP2(true)
	over.Protocols.SetUnencryptedHTTP2(true)
	l.two, err = over.NewClientConn(ctx, h.url.Scheme, h.server)
	return err
}

// httpKept asks for a URL on a connection that is open already. Opening one is no part of the measurement, and neither is finding that the server
// had closed it while nobody used it; a server that can not be reached is one.
func (c *client) httpKept(ctx context.Context, t target.Target) Result {
	r := begin()
	d, err := c.doors.of(t)
	if err != nil {
		r.Err = err
		return r
	}
	for {
		l := d.take()
		idle := l != nil
		if !idle {
			opening := begin()
			if l, err = c.openAside(ctx, t, &opening, d.first); err != nil {
				opening.Err = err
				return opening
			}
			r.lap(&r.Aside)
		}
		a, err := c.onKept(ctx, t, &r, d, l)
		if err != nil && idle && r.FirstByte == 0 && ctx.Err() == nil && classify(err) != schemas.TimedOut {
			r = r.again()
			continue
		}
		if r.Err = err; err == nil {
			r.Err = d.judge(a)
		}
		return r
	}
}

// openAside opens a connection in a time of its own, as long as the measurement's.
func (c *client) openAside(ctx context.Context, t target.Target, r *Result, h *hop) (*line, error) {
	ctx, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	l, err := c.openHTTP(ctx, r, h)
	if err != nil {
		r.Ended = time.Now()
	}
	return l, err
}

// onKept asks on an open connection, and keeps it if it is good for more.
func (c *client) onKept(ctx context.Context, t target.Target, r *Result, d *door, l *line) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	err := d.first.trusted(l)
	if err != nil {
		l.close()
		return answer{}, tlsError{err}
	}
	a, err := l.ask(ctx, r, d.first, d.body != nil)
	if err != nil {
		r.Ended = time.Now()
	}
	if err != nil || !a.more {
		l.close()
	} else {
		d.give(l)
	}
	return a, err
}

// answer is what a server said.
type answer struct {
	*http.Response
	// body is filled where it is asked for.
	body []byte
	// more says that the connection is good for another request.
	more bool
}

// redirect returns where the answer sends on to, or nil.
func (a answer) redirect(from *url.URL) *url.URL {
	switch a.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		if to, err := from.Parse(a.Header.Get("Location")); err == nil && a.Header.Get("Location") != "" {
			return to
		}
	}
	return nil
}

// ask writes a request and reads the answer.
func (l *line) ask(ctx context.Context, r *Result, h *hop, body bool) (answer, error) {
	if l.two != nil {
		return l.askTwo(ctx, r, h, body)
	}
	stop := context.AfterFunc(ctx, l.hurry)
	a, err := l.askOne(r, h, body)
	if !stop() {
		a.more = false
	}
	return a, err
}

// askOne speaks HTTP 1.1.
func (l *line) askOne(r *Result, h *hop, body bool) (a answer, err error) {
	if _, err := l.Write(h.text); err != nil {
		return a, err
	}
	r.lap(&r.Write)
	if _, err := l.reader.Peek(1); err != nil {
		return a, err
	}
	r.lap(&r.FirstByte)
	for a.Response == nil || a.StatusCode < 200 {
		// What comes before the answer, such as early hints, is none.
		if a.Response, err = http.ReadResponse(l.reader, nil); err != nil { //nolint:bodyclose // closing it would read what is beyond the limit
			return a, err
		}
	}
	whole, err := a.read(body)
	if err != nil {
		return a, err
	}
	r.lap(&r.Transfer)
	r.Status = uint32(a.StatusCode)
	a.more = whole && !a.Close && l.reader.Buffered() == 0
	return a, nil
}

// read reads the body and says whether it was read to its end.
func (a *answer) read(keep bool) (whole bool, err error) {
	var kept bytes.Buffer
	to := io.Discard
	if keep {
		to = &kept
	}
	n, err := io.Copy(to, io.LimitReader(a.Body, bodyLimit))
	a.body = kept.Bytes()
	return n < bodyLimit, err
}

// askTwo speaks HTTP 2.
func (l *line) askTwo(ctx context.Context, r *Result, h *hop, body bool) (a answer, err error) {
	ctx, cancel := context.WithCancel(ctx)
	// What is beyond the limit is not waited for.
	defer cancel()
	var written, first moment
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { written.now() }, GotFirstResponseByte: first.now})
	if a.Response, err = l.two.RoundTrip(h.request.WithContext(ctx)); err != nil { //nolint:bodyclose // its context ends it
		return a, err
	}
	// The request may be noted as written only after the answer came.
	came := first.at()
	if at := written.at(); at.Before(came) {
		r.lapAt(at, &r.Write)
	}
	r.lapAt(came, &r.FirstByte)
	if _, err = a.read(body); err != nil {
		return a, err
	}
	r.lap(&r.Transfer)
	r.Status = uint32(a.StatusCode)
	a.more = l.two.Available() > 0
	return a, nil
}

// moment is when something happened in another goroutine.
type moment struct{ atomic.Pointer[time.Time] }

func (m *moment) now() {
	now := time.Now()
	m.Store(&now)
}

// at is when it happened, now if it has not yet.
func (m *moment) at() time.Time {
	if at := m.Load(); at != nil {
		return *at
	}
	return time.Now()
}

package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// line is an open connection to a server that speaks TLS or HTTP.
type line struct {
	// Conn is what is written to, socket what is below it when that is TLS.
	net.Conn
	socket net.Conn
	// reader holds what was read ahead of HTTP 1.1; two speaks HTTP 2.
	reader *bufio.Reader
	two    *http.ClientConn
	// resumed says that an earlier session went on, ends when the certificates do, zero without TLS.
	resumed bool
	ends    time.Time
}

// past is a deadline that ends what waits for a connection now.
var past = time.Unix(1, 0)

// hurry ends what waits for the connection.
func (l *line) hurry() { _ = l.socket.SetDeadline(past) }

var readers = sync.Pool{New: func() any { return bufio.NewReader(nil) }}

func (l *line) close() {
	if l.two != nil {
		_ = l.two.Close()
	}
	_ = l.socket.Close()
	if l.reader != nil {
		l.reader.Reset(nil)
		readers.Put(l.reader)
		l.reader = nil
	}
}

// open connects to where a request goes, and makes the handshake if it goes over TLS.
func (d Dial) open(ctx context.Context, r *Result, to *hop) (*line, error) {
	socket, err := d.connect(ctx, r, to.server)
	if err != nil {
		return nil, err
	}
	l := &line{Conn: socket, socket: socket}
	if to.tls == nil {
		return l, nil
	}
	stop := context.AfterFunc(ctx, l.hurry)
	secured := tls.Client(socket, to.tls)
	err = secured.Handshake()
	r.lap(&r.TLS)
	if !stop() {
		err = ctx.Err()
	}
	if err == nil {
		state := secured.ConnectionState()
		l.Conn, l.resumed, l.ends = secured, state.DidResume, lasts(state)
		err = to.trusted(l)
	}
	if err != nil {
		l.close()
		return nil, tlsError{err}
	}
	return l, nil
}

// lasts returns until when the certificates hold: the shortest of a chain, of several chains the longest.
func lasts(state tls.ConnectionState) time.Time {
	var longest time.Time
	for _, chain := range state.VerifiedChains {
		shortest := chain[0].NotAfter
		for _, c := range chain[1:] {
			if c.NotAfter.Before(shortest) {
				shortest = c.NotAfter
			}
		}
		if shortest.After(longest) {
			longest = shortest
		}
	}
	return longest
}

// trusted says whether the server's certificates last as long as the target wants.
func (h *hop) trusted(l *line) error {
	if h.certificates == 0 || l.ends.IsZero() || time.Until(l.ends) > h.certificates {
		return nil
	}
	return fmt.Errorf("the certificate expires at %s, within %d days", l.ends.UTC().Format(time.RFC3339), h.certificates/day)
}

const day = 24 * time.Hour

package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// bodyLimit is how much of an answer is read; what is longer counts as complete there.
const bodyLimit = 1 << 20

// HTTP asks for a URL on a fresh connection, written by hand so that each phase is timed apart. It follows no redirect. An answer of 2xx or 3xx is well.
func (d Dial) HTTP(ctx context.Context, address string) Result {
	u, err := url.Parse(address)
	if err != nil {
		return Result{Err: err}
	}
	conn, r := d.connect(ctx, hostPort(u))
	if r.Err != nil {
		return r
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if u.Scheme == "https" {
		if conn, r.TLS, err = secure(ctx, conn, u.Hostname()); err != nil {
			r.Err = tlsError{err}
			return r
		}
	}
	r.Err = r.exchange(ctx, conn, u)
	return r
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

func secure(ctx context.Context, conn net.Conn, host string) (net.Conn, time.Duration, error) {
	started := time.Now()
	secured := tls.Client(conn, &tls.Config{ServerName: host, NextProtos: []string{"http/1.1"}})
	err := secured.HandshakeContext(ctx)
	return secured, time.Since(started), err
}

// exchange writes the request and reads the answer.
func (r *Result) exchange(ctx context.Context, conn net.Conn, u *url.URL) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	request.Header.Set("User-Agent", "leeward-prober")
	request.Close = true
	started := time.Now()
	if err := request.Write(conn); err != nil {
		return err
	}
	written := time.Now()
	r.Write = written.Sub(started)
	reader := bufio.NewReader(conn)
	if _, err := reader.Peek(1); err != nil {
		return err
	}
	first := time.Now()
	r.FirstByte = first.Sub(written)
	response, err := http.ReadResponse(reader, request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.Copy(io.Discard, io.LimitReader(response.Body, bodyLimit)); err != nil {
		return err
	}
	r.Ended = time.Now()
	r.Transfer = r.Ended.Sub(first)
	if r.Status = uint32(response.StatusCode); r.Status < 200 || r.Status > 399 {
		return statusError{response.Status}
	}
	return nil
}

package probe

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Postgres reads from and writes to databases on connections kept open, so that a sample is one round trip. A sample that finds none idle opens one, and its connect phase says so.
type Postgres struct {
	Vantage string
	Resolve func(ref string) (string, error)

	mu   sync.Mutex
	idle map[string][]*pgx.Conn
}

// The statements; they are prepared when a connection is made.
const (
	readStatement  = "leeward_read"
	writeStatement = "leeward_write"
	readSQL        = "SELECT 1"
	writeSQL       = "INSERT INTO leeward_heartbeat (vantage, at, token) VALUES ($1, $2, $3) ON CONFLICT (vantage) DO UPDATE SET at = excluded.at, token = excluded.token"
)

// Read asks the database behind a reference for a constant.
func (p *Postgres) Read(ctx context.Context, ref string) Result {
	return p.measure(ctx, ref, readStatement)
}

// Write commits the vantage's row of leeward_heartbeat in the database behind a reference.
func (p *Postgres) Write(ctx context.Context, ref string) Result {
	return p.measure(ctx, ref, writeStatement, p.Vantage, time.Now(), rand.Int64())
}

func (p *Postgres) measure(ctx context.Context, ref, statement string, args ...any) Result {
	// A reference is resolved every time, so that a secret that changed is seen.
	url, err := p.Resolve(ref)
	if err != nil {
		return Result{Err: err}
	}
	for {
		var r Result
		conn, kept := p.take(url)
		if !kept {
			started := time.Now()
			conn, err = connect(ctx, url)
			if r.Connect = time.Since(started); err != nil {
				r.Err = plain(err)
				return r
			}
		}
		started := time.Now()
		_, err := conn.Exec(ctx, statement, args...)
		r.Ended, r.Err = time.Now(), err
		r.FirstByte = r.Ended.Sub(started)
		if conn.IsClosed() && kept && ctx.Err() == nil {
			// The connection broke while nobody used it, which says nothing of the database now.
			continue
		}
		p.give(url, conn)
		return r
	}
}

// connect opens a connection on which both statements are ready.
func connect(ctx context.Context, url string) (*pgx.Conn, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	for name, sql := range map[string]string{readStatement: readSQL, writeStatement: writeSQL} {
		if _, err := conn.Prepare(ctx, name, sql); err != nil {
			closeNow(conn)
			return nil, err
		}
	}
	return conn, nil
}

// plain leaves out of a connection error the text that may quote the URL.
func plain(err error) error {
	var parse *pgconn.ParseConfigError
	if errors.As(err, &parse) {
		return errors.New("the database's URL can not be read")
	}
	return err
}

func (p *Postgres) take(url string) (*pgx.Conn, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	conns := p.idle[url]
	if len(conns) == 0 {
		return nil, false
	}
	conn := conns[len(conns)-1]
	p.idle[url] = conns[:len(conns)-1]
	return conn, true
}

func (p *Postgres) give(url string, conn *pgx.Conn) {
	if conn.IsClosed() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.idle == nil {
		p.idle = map[string][]*pgx.Conn{}
	}
	p.idle[url] = append(p.idle[url], conn)
}

// Close closes the idle connections.
func (p *Postgres) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conns := range p.idle {
		for _, conn := range conns {
			closeNow(conn)
		}
	}
	p.idle = nil
}

// closeNow says goodbye to the server without waiting for long.
func closeNow(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Postgres reads from and writes to databases on connections kept open, so that a sample is one round trip. A sample that finds none idle opens one, and its connect phase says so.
type Postgres struct {
	Vantage string
	// Dial opens the connections; nil opens them directly.
	Dial    Dial
	Resolve func(ref string) (string, error)

	mu      sync.Mutex
	idle    map[session][]connection
	opening map[session]*opening
	closed  bool
	group   sync.WaitGroup
}

// connection is an open connection; fresh until its first statement.
type connection struct {
	*pgx.Conn
	fresh bool
}

// session is what a connection is for: one statement, prepared when the connection is made, so that no sample pays for it later.
type session struct{ url, sql string }

// statement is the name a session's statement is prepared under.
const statement = "leeward"

// The newest heartbeat is the one of the highest token, not of the latest time: the rows of vantages that write no more keep the time that the server had
// before its clock was set back.
const (
	readSQL  = "SELECT at, token FROM leeward_heartbeat ORDER BY token DESC LIMIT 1"
	writeSQL = "INSERT INTO leeward_heartbeat (vantage, at, token) VALUES ($1, clock_timestamp(), txid_current()) " +
		"ON CONFLICT (vantage) DO UPDATE SET at = excluded.at, token = excluded.token RETURNING at, token"
)

// ErrDenied says that a database answered and would not do what it was asked. A server that starts, stops or has no room does not deny.
var ErrDenied = errors.New("denied")

// Read asks the database behind a reference for the newest heartbeat it holds. None is well, too.
func (p *Postgres) Read(ctx context.Context, ref string) Result { return p.measure(ctx, ref, readSQL) }

// Write commits the vantage's row of leeward_heartbeat in the database behind a reference, with the server's own time and transaction.
func (p *Postgres) Write(ctx context.Context, ref string) Result {
	return p.measure(ctx, ref, writeSQL, p.Vantage)
}

func (p *Postgres) measure(ctx context.Context, ref, sql string, args ...any) Result {
	// A reference is resolved every time, so that a secret that changed is seen.
	url, err := p.Resolve(ref)
	if err != nil {
		return Result{Err: err}
	}
	s := session{url, sql}
	arrived := time.Now()
	for {
		conn := p.take(s)
		if conn == nil {
			if err := p.open(ctx, s); err != nil {
				return Result{Connect: time.Since(arrived), Err: plain(err)}
			}
			continue
		}
		var r Result
		started := time.Now()
		// What passed before is the wait for a connection, when there was one.
		if r.Connect = started.Sub(arrived); !conn.fresh {
			r.Connect = 0
		}
		// Scan returns once the statement's transaction has ended.
		err := conn.QueryRow(ctx, statement, args...).Scan(&r.Heartbeat.At, &r.Heartbeat.Token)
		r.Ended = time.Now()
		r.Heartbeat.SeenAt = r.Ended
		if !errors.Is(err, pgx.ErrNoRows) {
			r.Err = plain(err)
		}
		r.FirstByte = r.Ended.Sub(started)
		if !conn.fresh && conn.IsClosed() && ctx.Err() == nil {
			// The connection broke while nobody used it, which says nothing of the database now.
			continue
		}
		p.give(ctx, s, connection{conn.Conn, false})
		return r
	}
}

// connectWithin is how long a connection may take to make. It is no probe's time-out: from far away the handshakes take many round trips,
// and a sample that gave up waiting must not throw away the connection that the next one needs.
const (
	connectWithin = 15 * time.Second
	dialWithin    = 3 * time.Second
)

// open waits for a connection to be made and put among the idle ones; whoever comes first takes it. It starts making one when nobody is at it.
func (p *Postgres) open(ctx context.Context, s session) error {
	p.mu.Lock()
	o := p.opening[s]
	if o == nil {
		making, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectWithin)
		o = &opening{done: make(chan struct{}), cancel: cancel}
		if p.opening == nil {
			p.opening = map[session]*opening{}
		}
		p.opening[s] = o
		p.group.Go(func() { p.connect(making, s, o) })
	}
	p.mu.Unlock()
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// opening is a connection being made.
type opening struct {
	done   chan struct{}
	err    error
	cancel context.CancelFunc
}

func (p *Postgres) connect(ctx context.Context, s session, o *opening) {
	defer o.cancel()
	conn, err := s.connect(ctx, p.Dial)
	if err == nil {
		p.give(ctx, s, connection{conn, true})
	}
	p.mu.Lock()
	delete(p.opening, s)
	p.mu.Unlock()
	o.err = err
	close(o.done)
}

func (s session) connect(ctx context.Context, dial Dial) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(s.url)
	if err != nil {
		return nil, err
	}
	// The pauses between the kernel's own tries grow; a new connection is soon made once a link is healed.
	config.DialFunc = (&net.Dialer{Timeout: dialWithin}).DialContext
	if dial != nil {
		config.DialFunc = pgconn.DialFunc(dial)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Prepare(ctx, statement, s.sql); err != nil {
		closeNow(ctx, conn)
		return nil, err
	}
	return conn, nil
}

// plain leaves out of a connection error the text that may quote the URL, and marks what a server denied.
func plain(err error) error {
	var parse *pgconn.ParseConfigError
	if errors.As(err, &parse) {
		return errors.New("the database's URL can not be read")
	}
	var answer *pgconn.PgError
	if !errors.As(err, &answer) {
		return err
	}
	switch answer.Code[:min(2, len(answer.Code))] {
	case "53", "57", "58", "XX": // no room, an operator at work, trouble of the system, trouble of its own
		return err
	}
	return fmt.Errorf("%w: %w", ErrDenied, err)
}

// take returns an idle connection, or nil.
func (p *Postgres) take(s session) *connection {
	p.mu.Lock()
	defer p.mu.Unlock()
	conns := p.idle[s]
	if len(conns) == 0 {
		return nil
	}
	conn := conns[len(conns)-1]
	p.idle[s] = conns[:len(conns)-1]
	return &conn
}

func (p *Postgres) give(ctx context.Context, s session, conn connection) {
	if conn.IsClosed() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		closeNow(ctx, conn.Conn)
		return
	}
	if p.idle == nil {
		p.idle = map[session][]connection{}
	}
	p.idle[s] = append(p.idle[s], conn)
}

// Close closes the idle connections and gives up those being made, even when ctx is over.
func (p *Postgres) Close(ctx context.Context) {
	p.mu.Lock()
	p.closed = true
	for _, conns := range p.idle {
		for _, conn := range conns {
			closeNow(ctx, conn.Conn)
		}
	}
	p.idle = nil
	for _, o := range p.opening {
		o.cancel()
	}
	p.mu.Unlock()
	p.group.Wait()
}

// closeNow says goodbye to the server without waiting for long, though ctx may be over.
func closeNow(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

// Package database measures PostgreSQL, MariaDB, MySQL and Redis: a read, a write and a read by a new client, each with the heartbeat that tells how far a replica
// follows, and with who answered. When that is done, and what follows from it, is decided elsewhere.
package database

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// Result is how a measurement ended.
type Result struct {
	// Connect is of the connections that a measurement makes itself, or waits for.
	DNS, Connect, TLS, FirstByte time.Duration
	// Server is the role and the identity of who answered.
	Server    string
	Heartbeat schemas.Heartbeat
	// Ended is when the answer was complete, zero when there was none.
	Ended time.Time
	Err   error
}

// Dial opens a connection to host:port, directly or through a proxy.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Pool reads from and writes to databases on connections kept open, so that a sample is one round trip. A sample that finds none idle opens one, and its connect phase says so.
type Pool struct {
	Vantage string
	Dial    Dial
	Resolve func(ref string) (string, error)

	mu      sync.Mutex
	idle    map[use][]kept
	opening map[use]*opening
	closed  bool
	group   sync.WaitGroup
}

// use is what a connection is kept for: a write that waits for a lock keeps no read waiting.
type use struct {
	url   string
	write bool
}

// kept is an open connection; fresh until its first statement.
type kept struct {
	session
	fresh bool
}

// session is a connection to a database of one engine, after its login. Its errors hold no secret, and are ErrDenied where the server denied.
type session interface {
	// settle does what is worth it on a connection that is kept, so that no sample pays for it later.
	settle(ctx context.Context, write bool) error
	// read asks for the newest heartbeat that the database holds, in one round trip. None is well, too.
	read(ctx context.Context) (answer, error)
	// write commits the heartbeat of a vantage with the server's own time, in one round trip.
	write(ctx context.Context, vantage string) (answer, error)
	broken() bool
	close(ctx context.Context)
}

// answer is what a database says to a read or a write: a heartbeat, and who answers.
type answer struct {
	heartbeat schemas.Heartbeat
	server    string
}

// engines open sessions, by the scheme of a URL.
var engines = map[string]func(ctx context.Context, url string, w *stopwatch) (session, error){
	"postgres": openPostgres, "postgresql": openPostgres, "mysql": openMariaDB, "mariadb": openMariaDB, "redis": openRedis, "rediss": openRedis,
}

// ErrTLS says that a handshake failed, or that a server would make none.
var ErrTLS = errors.New("TLS")

// ErrDenied says that a database answered and would not do what it was asked. A server that starts, stops or has no room does not deny.
var ErrDenied = errors.New("denied")

var (
	// errReadOnly says that a write met a server that takes none.
	errReadOnly = fmt.Errorf("%w: the server is a replica or read-only, and takes no writes", ErrDenied)
	// ErrUnreadable says nothing of the URL that can not be read, because it may be a password.
	ErrUnreadable = errors.New("the database's URL can not be read: write engine://user:password@host:port/name, and the password's special characters as %40")
	// ErrNoEngine says that a URL is none of a database that can be measured.
	ErrNoEngine = errors.New("the database's URL begins with none of postgres://, mysql://, mariadb://, redis:// and rediss://")
)

func open(ctx context.Context, url string, w *stopwatch) (session, error) {
	scheme, _, found := strings.Cut(url, "://")
	engine := engines[scheme]
	if !found || engine == nil {
		return nil, ErrNoEngine
	}
	return engine(ctx, url, w)
}

// server names who answered by its role and an identity that no other server of the same role has; nothing when the identity can not be part of a name.
func server(replica bool, identity string) string {
	name := "primary-" + identity
	if replica {
		name = "replica-" + identity
	}
	if !schemas.ValidName(name) {
		return ""
	}
	return name
}

// Read asks the database behind a reference for the newest heartbeat it holds.
func (p *Pool) Read(ctx context.Context, ref string) Result { return p.measure(ctx, ref, false) }

// Write commits the vantage's heartbeat in the database behind a reference.
func (p *Pool) Write(ctx context.Context, ref string) Result { return p.measure(ctx, ref, true) }

// Fresh does what a client does that has no connection yet: it connects, logs in and reads. The login is what of the latency no phase counts.
func (p *Pool) Fresh(ctx context.Context, ref string) Result {
	url, err := p.Resolve(ref)
	if err != nil {
		return Result{Err: err}
	}
	w := &stopwatch{dial: p.Dial}
	s, err := open(ctx, url, w)
	r := Result{Err: err}
	if err == nil {
		defer s.close(ctx)
		r = p.ask(ctx, s, false)
	}
	r.DNS, r.Connect, r.TLS = w.took()
	return r
}

func (p *Pool) measure(ctx context.Context, ref string, write bool) Result {
	// A reference is resolved every time, so that a secret that changed is seen.
	url, err := p.Resolve(ref)
	if err != nil {
		return Result{Err: err}
	}
	u := use{url, write}
	arrived := time.Now()
	for {
		k, ok := p.take(u)
		if !ok {
			if err := p.open(ctx, u); err != nil {
				return Result{Connect: time.Since(arrived), Err: err}
			}
			continue
		}
		waited := time.Since(arrived)
		r := p.ask(ctx, k, write)
		if !k.fresh && k.broken() && ctx.Err() == nil {
			// The connection broke while nobody used it, which says nothing of the database now.
			k.close(ctx)
			continue
		}
		// What passed before is the wait for a connection, when there was one.
		if k.fresh {
			r.Connect = waited
		}
		p.give(ctx, u, kept{k.session, false})
		return r
	}
}

// ask times a statement.
func (p *Pool) ask(ctx context.Context, s session, write bool) Result {
	var a answer
	var err error
	started := time.Now()
	if write {
		a, err = s.write(ctx, p.Vantage)
	} else {
		a, err = s.read(ctx)
	}
	ended := time.Now()
	a.heartbeat.SeenAt = ended
	return Result{FirstByte: ended.Sub(started), Server: a.server, Heartbeat: a.heartbeat, Ended: ended, Err: err}
}

// connectWithin is how long a connection may take to make. It is no probe's time-out: from far away the handshakes take many round trips,
// and a sample that gave up waiting must not throw away the connection that the next one needs.
const (
	connectWithin = 15 * time.Second
	// The pauses between the kernel's own tries grow; a new connection is soon made once a link is healed.
	dialWithin = 3 * time.Second
)

// opening is a connection being made.
type opening struct {
	done   chan struct{}
	err    error
	cancel context.CancelFunc
}

// open waits for a connection to be made and put among the idle ones; whoever comes first takes it. It starts making one when nobody is at it.
func (p *Pool) open(ctx context.Context, u use) error {
	p.mu.Lock()
	o := p.opening[u]
	if o == nil {
		making, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectWithin)
		o = &opening{done: make(chan struct{}), cancel: cancel}
		if p.opening == nil {
			p.opening = map[use]*opening{}
		}
		p.opening[u] = o
		p.group.Go(func() { p.connect(making, u, o) })
	}
	p.mu.Unlock()
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *Pool) connect(ctx context.Context, u use, o *opening) {
	defer o.cancel()
	s, err := open(ctx, u.url, &stopwatch{dial: p.patient})
	if err == nil {
		if err = s.settle(ctx, u.write); err != nil {
			s.close(ctx)
		} else {
			p.give(ctx, u, kept{s, true})
		}
	}
	p.mu.Lock()
	delete(p.opening, u)
	p.mu.Unlock()
	o.err = err
	close(o.done)
}

// patient is Dial for connections that nobody's timeout ends.
func (p *Pool) patient(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialWithin)
	defer cancel()
	return p.Dial(ctx, network, address)
}

// take returns an idle connection, if there is one.
func (p *Pool) take(u use) (kept, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.idle[u]
	if len(all) == 0 {
		return kept{}, false
	}
	last := len(all) - 1
	k := all[last]
	p.idle[u] = all[:last]
	return k, true
}

func (p *Pool) give(ctx context.Context, u use, k kept) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || k.broken() {
		k.close(ctx)
		return
	}
	if p.idle == nil {
		p.idle = map[use][]kept{}
	}
	p.idle[u] = append(p.idle[u], k)
}

// Close closes the idle connections and gives up those being made, even when ctx is over.
func (p *Pool) Close(ctx context.Context) {
	p.mu.Lock()
	p.closed = true
	for _, all := range p.idle {
		for _, k := range all {
			k.close(ctx)
		}
	}
	p.idle = nil
	for _, o := range p.opening {
		o.cancel()
	}
	p.mu.Unlock()
	p.group.Wait()
}

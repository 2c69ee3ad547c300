package probe

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// Database reads from and writes to databases on connections kept open, so that a sample is one round trip. A sample that finds none idle opens one, and its connect phase says so.
type Database struct {
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
	read(ctx context.Context) (answered, error)
	// write commits the heartbeat of a vantage with the server's own time, in one round trip.
	write(ctx context.Context, vantage string) (answered, error)
	broken() bool
	close(ctx context.Context)
}

// answered is what a database says to a read or a write: a heartbeat, and who answers.
type answered struct {
	heartbeat schemas.Heartbeat
	server    string
}

// engines open sessions, by the scheme of a URL.
var engines = map[string]func(ctx context.Context, url string, w *stopwatch) (session, error){
	"postgres": openPostgres, "postgresql": openPostgres, "mysql": openMariaDB, "mariadb": openMariaDB, "redis": openRedis, "rediss": openRedis,
}

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
func (d *Database) Read(ctx context.Context, ref string) Result { return d.measure(ctx, ref, false) }

// Write commits the vantage's heartbeat in the database behind a reference.
func (d *Database) Write(ctx context.Context, ref string) Result { return d.measure(ctx, ref, true) }

// Fresh does what a client does that has no connection yet: it connects, logs in and reads. The login is what of the latency no phase counts.
func (d *Database) Fresh(ctx context.Context, ref string) Result {
	url, err := d.Resolve(ref)
	if err != nil {
		return Result{Err: err}
	}
	w := &stopwatch{dialer: d.Dial}
	s, err := open(ctx, url, w)
	if err != nil {
		return Result{DNS: w.dns, Connect: w.connect, TLS: w.tls, Err: err}
	}
	defer s.close(ctx)
	r := d.ask(ctx, s, false)
	r.DNS, r.Connect, r.TLS = w.dns, w.connect, w.tls
	return r
}

func (d *Database) measure(ctx context.Context, ref string, write bool) Result {
	// A reference is resolved every time, so that a secret that changed is seen.
	url, err := d.Resolve(ref)
	if err != nil {
		return Result{Err: err}
	}
	u := use{url, write}
	arrived := time.Now()
	for {
		k, ok := d.take(u)
		if !ok {
			if err := d.open(ctx, u); err != nil {
				return Result{Connect: time.Since(arrived), Err: err}
			}
			continue
		}
		waited := time.Since(arrived)
		r := d.ask(ctx, k, write)
		if !k.fresh && k.broken() && ctx.Err() == nil {
			// The connection broke while nobody used it, which says nothing of the database now.
			k.close(ctx)
			continue
		}
		// What passed before is the wait for a connection, when there was one.
		if k.fresh {
			r.Connect = waited
		}
		d.give(ctx, u, kept{k.session, false})
		return r
	}
}

// ask times a statement.
func (d *Database) ask(ctx context.Context, s session, write bool) Result {
	var a answered
	var err error
	started := time.Now()
	if write {
		a, err = s.write(ctx, d.Vantage)
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
func (d *Database) open(ctx context.Context, u use) error {
	d.mu.Lock()
	o := d.opening[u]
	if o == nil {
		making, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectWithin)
		o = &opening{done: make(chan struct{}), cancel: cancel}
		if d.opening == nil {
			d.opening = map[use]*opening{}
		}
		d.opening[u] = o
		d.group.Go(func() { d.connect(making, u, o) })
	}
	d.mu.Unlock()
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *Database) connect(ctx context.Context, u use, o *opening) {
	defer o.cancel()
	s, err := open(ctx, u.url, &stopwatch{dialer: d.Dial.within(dialWithin)})
	if err == nil {
		if err = s.settle(ctx, u.write); err != nil {
			s.close(ctx)
		} else {
			d.give(ctx, u, kept{s, true})
		}
	}
	d.mu.Lock()
	delete(d.opening, u)
	d.mu.Unlock()
	o.err = err
	close(o.done)
}

// take returns an idle connection, if there is one.
func (d *Database) take(u use) (kept, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := d.idle[u]
	if len(all) == 0 {
		return kept{}, false
	}
	last := len(all) - 1
	k := all[last]
	d.idle[u] = all[:last]
	return k, true
}

func (d *Database) give(ctx context.Context, u use, k kept) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || k.broken() {
		k.close(ctx)
		return
	}
	if d.idle == nil {
		d.idle = map[use][]kept{}
	}
	d.idle[u] = append(d.idle[u], k)
}

// Close closes the idle connections and gives up those being made, even when ctx is over.
func (d *Database) Close(ctx context.Context) {
	d.mu.Lock()
	d.closed = true
	for _, all := range d.idle {
		for _, k := range all {
			k.close(ctx)
		}
	}
	d.idle = nil
	for _, o := range d.opening {
		o.cancel()
	}
	d.mu.Unlock()
	d.group.Wait()
}

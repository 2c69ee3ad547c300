// Package bus speaks to NATS JetStream: events with their contracts, key-value buckets as live mirrors, whole streams for those who store them.
// It is the only importer of the NATS client, and the only place that decides what is tried again.
package bus

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/sethvargo/go-retry"

	"github.com/leeward-failover/leeward/schemas"
)

// Options say where the bus is and who connects.
type Options struct {
	// URL is the server, or several by comma.
	URL string
	// Domain is the JetStream domain samples are written to; empty for the server's own.
	Domain string
	// Hub is the JetStream domain of all the rest; empty for the server's own, and the hub's for who connects to a leaf.
	Hub string
	// Replicas is how many copies Create makes of each stream and bucket; none keeps what is there, and makes new ones with one copy.
	Replicas int
	// Seed is the path of the file that holds the user's nkey seed.
	Seed    string
	Service schemas.Service
	// Vantage tells probers apart.
	Vantage string
	// Metrics gets the connection's figures; nil for none.
	Metrics prometheus.Registerer
	Log     zerolog.Logger
}

// Bus is a connection that lasts as long as the process: it is made again for ever after a loss.
type Bus struct {
	conn     *nats.Conn
	js       jetstream.JetStream
	local    jetstream.JetStream
	hub      string
	replicas int
	service  schemas.Service
	user     string
	log      zerolog.Logger
	metrics  metrics

	mu          sync.Mutex
	reconnected chan struct{}
	closed      chan struct{}
}

// Connect starts connecting and returns at once: a bus that is not there yet is waited for by whoever uses it.
func Connect(o Options) (*Bus, error) {
	user := schemas.UserName(o.Service, o.Vantage)
	b := &Bus{hub: o.Hub, replicas: o.Replicas, service: o.Service, user: user, log: o.Log, metrics: newMetrics(), reconnected: make(chan struct{}), closed: make(chan struct{})}
	nkey, err := nats.NkeyOptionFromSeed(o.Seed)
	if err != nil {
		return nil, fmt.Errorf("bus user %s: read nkey seed %s: %w", user, o.Seed, err)
	}
	b.conn, err = nats.Connect(o.URL, nkey, nats.Name(user),
		nats.CustomInboxPrefix(schemas.InboxPrefix(user)),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(200*time.Millisecond), nats.ReconnectJitter(100*time.Millisecond, 100*time.Millisecond),
		nats.PingInterval(5*time.Second), nats.MaxPingsOutstanding(2), nats.ReconnectBufSize(-1),
		nats.ConnectHandler(func(*nats.Conn) { b.announce() }),
		nats.ReconnectHandler(func(*nats.Conn) { o.Log.Info().Msg("bus found again"); b.announce() }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				b.metrics.lost.Inc()
				o.Log.Warn().Err(err).Msg("bus lost")
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			o.Log.Warn().Err(err).Msg("bus refused or dropped something")
		}),
		nats.ClosedHandler(func(*nats.Conn) { close(b.closed) }),
	)
	if err != nil {
		return nil, fmt.Errorf("connect to bus %s as %s: %w", o.URL, user, err)
	}
	if o.Metrics != nil {
		b.register(o.Metrics)
	}
	if b.js, err = b.domain(o.Hub); err != nil {
		return nil, err
	}
	if b.local, err = b.domain(o.Domain); err != nil {
		return nil, err
	}
	return b, nil
}

// domain is JetStream in a domain, or in the server's own.
func (b *Bus) domain(name string) (js jetstream.JetStream, err error) {
	if name == "" {
		js, err = jetstream.New(b.conn)
	} else {
		js, err = jetstream.NewWithDomain(b.conn, name)
	}
	if err != nil {
		return nil, fmt.Errorf("bus domain %q: %w", name, err)
	}
	return js, nil
}

// Close ends the connection and waits until it is closed.
func (b *Bus) Close() {
	b.conn.Close()
	<-b.closed
}

// Ready returns why the bus can not be used now, or nil.
func (b *Bus) Ready() error {
	if !b.conn.IsConnected() {
		return errors.New("the bus is not connected")
	}
	return nil
}

// Servers are the addresses of the bus's nodes, as far as this connection has heard of them.
func (b *Bus) Servers() []string {
	var servers []string
	for _, s := range b.conn.Servers() {
		if u, err := url.Parse(s); err == nil && !slices.Contains(servers, u.Host) {
			servers = append(servers, u.Host)
		}
	}
	return servers
}

// User is the bus user of this connection.
func (b *Bus) User() string { return b.user }

// announce wakes everyone who waits for a new connection.
func (b *Bus) announce() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.reconnected)
	b.reconnected = make(chan struct{})
}

// connection returns a channel that is closed at the next (re)connection.
func (b *Bus) connection() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.reconnected
}

// errNoPeers is the code of a cluster too few of whose servers are there at the moment to keep the copies that were asked for.
const errNoPeers jetstream.ErrorCode = 10005

// retryable marks what another try may cure: a lost connection, a time-out, a server that is starting or has no room at the moment.
func retryable(err error) error {
	if err == nil {
		return nil
	}
	var api *jetstream.APIError
	switch {
	case errors.Is(err, nats.ErrPermissionViolation), errors.Is(err, nats.ErrMaxPayload), errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &api) && api.Code != 503 && api.Code != 408 && api.ErrorCode != errNoPeers:
		return err
	}
	return retry.RetryableError(err)
}

// again tries until it works, is refused for good, or ctx ends.
func again(ctx context.Context, try func(context.Context) error) error {
	return repeat(ctx, 5*time.Second, 2*time.Second, try)
}

// askTime is how long an answer about a stream is waited for. A question that went out on a link just before it broke is never answered, and what it was for waits meanwhile.
const askTime = 2 * time.Second

// ask is again for questions about a stream, which cost little and are soon asked again.
func ask(ctx context.Context, try func(context.Context) error) error {
	return repeat(ctx, askTime, 500*time.Millisecond, try)
}

func repeat(ctx context.Context, each, pause time.Duration, try func(context.Context) error) error {
	backoff := retry.WithCappedDuration(pause, retry.NewExponential(50*time.Millisecond))
	return retry.Do(ctx, backoff, func(ctx context.Context) error {
		one, cancel := context.WithTimeout(ctx, each)
		defer cancel()
		return retryable(try(one))
	})
}

// pause waits, or returns false when ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// Package probe measures one target once, in each of the ways that schemas.Kind names. What it measures is judged elsewhere.
package probe

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/leeward-failover/leeward/pkg/socks"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/database"
	"github.com/leeward-failover/leeward/services/prober/internal/target"
)

// Result is how a measurement ended; phases that a kind has not are 0.
type Result struct {
	DNS, Connect, TLS, Write, FirstByte, Transfer time.Duration
	Status                                        uint32
	Flags                                         schemas.Flags
	// Server is the role and the identity of the database that answered, such as replica-7391122334455667788.
	Server string
	// Heartbeat is what a database answered with.
	Heartbeat schemas.Heartbeat
	// Sent is when the probe left, zero for when it was asked for; Ended when the answer was complete, zero for now.
	Sent, Ended time.Time
	// Aside is how much of the time between was no part of the measurement, such as opening a connection that is to be kept.
	Aside time.Duration
	// Err is nil when the target answered as it should.
	Err error
}

// begin is a result whose phases are timed by lap.
func begin() Result {
	now := time.Now()
	return Result{Sent: now, Ended: now}
}

// lap ends a phase. It began where the one before ended, so that the phases add up to the whole, over as many connections and requests as there may be.
func (r *Result) lap(phase *time.Duration) { r.lapAt(time.Now(), phase) }

func (r *Result) lapAt(now time.Time, phase *time.Duration) {
	*phase += now.Sub(r.Ended)
	r.Ended = now
}

// again is the result of who begins anew: what passed so far is no part of it.
func (r *Result) again() Result {
	now := time.Now()
	return Result{Sent: r.Sent, Ended: now, Aside: now.Sub(r.Sent)}
}

// Func measures a target and minds its timeout.
type Func func(ctx context.Context, t target.Target) Result

// timed makes a Func of what needs the address only, and a context whose deadline is the target's timeout.
func timed(probe func(ctx context.Context, address string) Result) Func {
	return func(ctx context.Context, t target.Target) Result {
		ctx, cancel := context.WithTimeout(ctx, t.Timeout)
		defer cancel()
		return probe(ctx, t.Address)
	}
}

// Kit holds what the kinds of probe need between measurements.
type Kit struct {
	// Checks are the programs that users may have run.
	Checks Checks

	echo     Echo
	poller   poller
	connects *connector
	database database.Pool
	client   *client
	registry *registry
	probes   map[schemas.Kind]Func
	network  socks.Dialer
	work     sync.WaitGroup
}

// NewKit makes a kit for a vantage; resolve turns a database's reference into its URL. With a proxy, everything but ICMP goes through it.
func NewKit(vantage string, network socks.Dialer, resolve func(ref string) (string, error)) *Kit {
	// Reading the machine's certificates takes a while, which the first HTTPS sample would pay for.
	_, _ = x509.SystemCertPool()
	k := &Kit{network: network, echo: Echo{Permit: network.Permit}, database: database.Pool{Vantage: vantage, Dial: network.DialContext, Resolve: resolve}}
	k.connects = newConnector(network.Permit, &k.poller)
	dial := dialer(network, &k.poller)
	k.client, k.registry = newClient(dial), newRegistry(dial)
	k.Checks.Vantage = vantage
	k.probes = map[schemas.Kind]Func{
		schemas.KindICMP: timed(k.echo.Probe), schemas.KindTCP: timed(dial.TCP),
		schemas.KindTLS: k.client.tls, schemas.KindTLSResumed: k.client.tlsResumed, schemas.KindHTTP: k.client.http, schemas.KindHTTPKept: k.client.httpKept,
		schemas.KindDNS: timed(newResolver(network).ask), schemas.KindGRPC: dial.grpc, schemas.KindRegistry: k.registry.probe,
		schemas.KindExec:   func(ctx context.Context, t target.Target) Result { return k.Checks.run(ctx, t) },
		schemas.KindDBRead: timed(stored(k.database.Read)), schemas.KindDBWrite: timed(stored(k.database.Write)), schemas.KindDBFresh: timed(stored(k.database.Fresh)),
	}
	if network.Proxy != "" {
		k.probes[schemas.KindICMP] = func(context.Context, target.Target) Result { return Result{Err: errNoWay} }
	}
	return k
}

// stored makes a result of a database's.
func stored(measure func(ctx context.Context, ref string) database.Result) func(context.Context, string) Result {
	return func(ctx context.Context, ref string) Result {
		r := measure(ctx, ref)
		return Result{DNS: r.DNS, Connect: r.Connect, TLS: r.TLS, FirstByte: r.FirstByte, Server: r.Server, Heartbeat: r.Heartbeat, Ended: r.Ended, Err: r.Err}
	}
}

// ErrDenied says that a database answered and would not do what it was asked.
var ErrDenied = database.ErrDenied

var errNoWay = errors.New("a proxy (LEEWARD_PROBE_PROXY) carries TCP only: leave icmp out of the endpoint, tcp stands for it")

// Open opens what needs more rights than the rest, so that they can be given up. What can not be opened is not measured.
func (k *Kit) Open() error {
	if k.network.Proxy != "" {
		return nil
	}
	return k.echo.Open()
}

// Halt ends the measurements under way that no context ends, and those that are started later at once.
func (k *Kit) Halt() {
	k.echo.Halt()
	k.connects.halt()
}

// Close ends what is under way and what is open between measurements, even when ctx is over. What was started with a context that has not ended is waited for.
func (k *Kit) Close(ctx context.Context) {
	k.echo.Close()
	k.connects.halt()
	k.work.Wait()
	k.client.close()
	k.poller.close()
	k.database.Close(ctx)
}

// Measurement is a sample with what does not travel with it.
type Measurement struct {
	Sample schemas.Sample
	// Heartbeat is the newest one that a database holds, or the one it has just committed.
	Heartbeat schemas.Heartbeat
	// Err is what is behind an outcome that is not ok.
	Err error
}

// Start measures a target that is due and calls done when that has ended. It does not block; what is sent in bursts leaves with the next Flush.
func (k *Kit) Start(ctx context.Context, t target.Target, due time.Time, done func(Measurement)) {
	if k.network.Proxy == "" {
		end := func(r Result) { done(measurement(t, due, r)) }
		switch t.Kind {
		case schemas.KindICMP:
			if a, err := netip.ParseAddr(t.Address); err == nil {
				k.echo.Start(a, t.Timeout, end)
				return
			}
		case schemas.KindTCP:
			if a, err := netip.ParseAddrPort(t.Address); err == nil && a.Addr().Zone() == "" && k.connects != nil {
				k.connects.start(a, t.Timeout, end)
				return
			}
		}
	}
	k.work.Go(func() { done(k.Measure(ctx, t, due)) })
}

// Knows says whether the kit can measure a kind.
func (k *Kit) Knows(kind schemas.Kind) bool { return k.probes[kind] != nil }

// Kinds are the names of the kinds that the kit can measure.
func (k *Kit) Kinds() []string {
	var names []string
	for _, kind := range slices.Sorted(maps.Keys(k.probes)) {
		names = append(names, kind.String())
	}
	return names
}

// Flush sends what was started.
func (k *Kit) Flush() {
	k.echo.Flush()
	k.connects.flush()
}

// Measure measures a target that is due.
func (k *Kit) Measure(ctx context.Context, t target.Target, due time.Time) Measurement {
	sent := time.Now()
	r := k.probes[t.Kind](ctx, t)
	if r.Ended.IsZero() {
		r.Ended = time.Now()
	}
	if r.Sent.IsZero() {
		r.Sent = sent
	}
	return measurement(t, due, r)
}

// measurement makes a sample of a result.
// The latency counts from the due time; the timeout from when the probe is sent, so that a late prober accuses nobody. The latency of a time-out is at least the timeout.
func measurement(t target.Target, due time.Time, r Result) Measurement {
	late, took := max(0, r.Sent.Sub(due)), max(0, r.Ended.Sub(r.Sent)-r.Aside)
	outcome := classify(r.Err)
	if outcome == schemas.TimedOut {
		took = max(took, t.Timeout)
		r.Err = fmt.Errorf("%s: no answer in %s", t.Kind, t.Timeout)
	} else if r.Err != nil {
		r.Err = fmt.Errorf("%s: %w", t.Kind, r.Err)
	}
	return Measurement{Heartbeat: r.Heartbeat, Err: r.Err, Sample: schemas.Sample{
		App: t.App, Region: t.Region, Variant: t.Variant, Kind: t.Kind, Outcome: outcome,
		DueUS: due.UnixMicro(), LatencyUS: Micros(late + took), LateUS: Micros(late),
		DNSUS: Micros(r.DNS), ConnectUS: Micros(r.Connect), TLSUS: Micros(r.TLS), WriteUS: Micros(r.Write),
		FirstByteUS: Micros(r.FirstByte), TransferUS: Micros(r.Transfer), Status: r.Status, Flags: r.Flags, Server: r.Server,
	}}
}

// Micros rounds up to whole microseconds, so that what took some time never took none.
func Micros(d time.Duration) uint32 {
	return uint32(min(max(0, (d+time.Microsecond-1)/time.Microsecond), math.MaxUint32))
}

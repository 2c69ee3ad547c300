// Package probe measures one target once: ICMP, TCP, HTTP on a fresh connection, reads and writes of databases. What it measures is judged elsewhere.
package probe

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/leeward-failover/leeward/pkg/socks"
	"github.com/leeward-failover/leeward/schemas"
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
	// Ended is when the answer was complete, zero for now.
	Ended time.Time
	// Err is nil when the target answered as it should.
	Err error
}

// Func measures an address. The context's deadline is the target's timeout.
type Func func(ctx context.Context, address string) Result

// Kit holds what the kinds of probe need between measurements.
type Kit struct {
	echo     Echo
	database Database
	probes   map[schemas.Kind]Func
}

// NewKit makes a kit for a vantage; resolve turns a database's reference into its URL. With a proxy, everything but ICMP goes through it.
func NewKit(vantage string, network socks.Dialer, resolve func(ref string) (string, error)) *Kit {
	// Reading the machine's certificates takes a while, which the first HTTPS sample would pay for.
	_, _ = x509.SystemCertPool()
	dial := Dial(network.DialContext)
	k := &Kit{database: Database{Vantage: vantage, Dial: dial, Resolve: resolve}}
	k.probes = map[schemas.Kind]Func{
		schemas.KindICMP: k.echo.Probe, schemas.KindTCP: dial.TCP, schemas.KindHTTP: dial.HTTP,
		schemas.KindDBRead: k.database.Read, schemas.KindDBWrite: k.database.Write, schemas.KindDBFresh: k.database.Fresh,
	}
	if network.Proxy != "" {
		k.probes[schemas.KindICMP] = func(context.Context, string) Result { return Result{Err: errNoWay} }
	}
	return k
}

var errNoWay = errors.New("a proxy (LEEWARD_PROBE_PROXY) carries TCP only: leave icmp out of the endpoint, tcp stands for it")

// Close ends what is open between measurements, even when ctx is over.
func (k *Kit) Close(ctx context.Context) {
	k.echo.Close()
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

// Measure measures a target that is due.
// The latency counts from the due time; the timeout from when the probe is sent, so that a late prober accuses nobody. The latency of a time-out is at least the timeout.
func (k *Kit) Measure(ctx context.Context, t target.Target, due time.Time) Measurement {
	sent := time.Now()
	late := max(0, sent.Sub(due))
	timed, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	r := k.probes[t.Kind](timed, t.Address)
	took := time.Since(sent)
	if !r.Ended.IsZero() {
		took = r.Ended.Sub(sent)
	}
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

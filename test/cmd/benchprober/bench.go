package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/test/process"
)

type bench struct {
	*world
	options
	*report
}

// kind is a kind of probe and how it is measured.
type kind struct {
	name     string
	kind     schemas.Kind
	perSec   int
	endpoint func(i int) schemas.Endpoint
	also     []string
	// beside is what is measured at the same endpoints as often, whose cost is taken off.
	beside  *figures
	figures *figures
	peer    func(ctx context.Context, b bench, k kind) (perCPU float64, err error)
	bare    func(ctx context.Context, b bench, k kind) (perCPU float64, err error)
}

func (b bench) kinds() []kind {
	loopback := func(i int) string { return fmt.Sprintf("127.%d.%d.%d", 1+i/60_000, i/250%240, 1+i%250) }
	return []kind{
		{name: "icmp", kind: schemas.KindICMP, perSec: 10_000, endpoint: func(i int) schemas.Endpoint { return schemas.Endpoint{ICMP: loopback(i)} }, figures: &b.ICMP, peer: fping},
		{name: "tcp", kind: schemas.KindTCP, perSec: 2_000, endpoint: func(int) schemas.Endpoint { return schemas.Endpoint{TCP: b.tcp} }, figures: &b.TCP, peer: blackbox, bare: bareTCP},
		{name: "http_fresh", kind: schemas.KindHTTP, perSec: 1_000, endpoint: func(int) schemas.Endpoint { return schemas.Endpoint{HTTP: "http://" + b.http} }, figures: &b.HTTPFresh, peer: blackbox},
		{name: "http_kept", kind: schemas.KindHTTPKept, perSec: 1_000, endpoint: func(int) schemas.Endpoint { return schemas.Endpoint{HTTP: "http://" + b.http} }, also: []string{"http_kept"},
			beside: &b.HTTPFresh, figures: &b.HTTPKept},
		{name: "https_fresh", kind: schemas.KindHTTP, perSec: 300, endpoint: func(int) schemas.Endpoint { return schemas.Endpoint{HTTP: "https://" + b.https} }, figures: &b.HTTPSFresh, peer: blackbox},
	}
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func (b bench) run(ctx context.Context) error {
	for _, k := range b.kinds() {
		if b.only != "" && b.only != k.name && !(b.only == "http_kept" && k.name == "http_fresh") {
			continue
		}
		if err := b.measure(ctx, k); err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
	}
	if b.idle > 0 && b.only == "" || b.only == "idle" {
		return b.memory(ctx)
	}
	return nil
}

// measure measures a kind and its peer in turns, and keeps the medians.
func (b bench) measure(ctx context.Context, k kind) error {
	var rates, peers, bares []float64
	var seen taken
	for round := range b.rounds {
		one, rate, err := b.ours(ctx, k, round)
		if err != nil {
			return err
		}
		rates = append(rates, rate)
		seen.add(one)
		if k.bare != nil {
			bare, err := k.bare(ctx, b, k)
			if err != nil {
				return err
			}
			bares = append(bares, bare)
			say("%s round %d: %.0f per CPU second of the system calls alone", k.name, round+1, bare)
		}
		if k.peer == nil {
			say("%s round %d: %.0f probes per CPU second", k.name, round+1, rate)
			continue
		}
		peer, err := k.peer(ctx, b, k)
		if err != nil {
			return err
		}
		peers = append(peers, peer)
		say("%s round %d: %.0f probes per CPU second, the peer %.0f", k.name, round+1, rate, peer)
	}
	f := k.figures
	f.PerCPU, f.FalseLoss = median(rates), seen.lost
	f.ErrP50, f.ErrP99 = seen.errors()
	if k.kind == schemas.KindICMP {
		b.LatenessP99 = quantile(seen.late, 0.99)
	}
	if len(bares) > 0 {
		f.BarePerCPU = median(bares)
	}
	if len(peers) > 0 {
		f.Peer, f.PeerPerCPU = "blackbox_exporter", median(peers)
		if k.kind == schemas.KindICMP {
			f.Peer = "fping"
		}
		f.Ratio = f.PerCPU / f.PeerPerCPU
	}
	return nil
}

// taken is what the samples of a span say, in microseconds.
type taken struct {
	trips, late []uint32
	lost        int
}

func (t *taken) add(o taken) {
	t.trips, t.late, t.lost = append(t.trips, o.trips...), append(t.late, o.late...), t.lost+o.lost
}

// errors are quantiles of how much longer a round trip was than the shortest, which on a loopback is all there is to it.
func (t *taken) errors() (p50, p99 float64) {
	if len(t.trips) == 0 {
		return 0, 0
	}
	least := float64(slices.Min(t.trips))
	return quantile(t.trips, 0.5) - least, quantile(t.trips, 0.99) - least
}

func quantile(values []uint32, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return float64(sorted[int(q*float64(len(sorted)-1))])
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// settle is how long a prober runs before it is measured.
const settle = 4 * time.Second

// ours runs the prober on a kind. Every sample counts that the bus has acknowledged and that was due in the span, and every one that should have been.
func (b bench) ours(ctx context.Context, k kind, round int) (taken, float64, error) {
	if err := b.apply(ctx, k.perSec, time.Second, k.endpoint, k.also...); err != nil {
		return taken{}, 0, err
	}
	p, err := b.prober(ctx, fmt.Sprintf("%s-%d", k.name, round))
	if err != nil {
		return taken{}, 0, err
	}
	defer p.Stop()
	if err := process.Pause(ctx, settle); err != nil {
		return taken{}, 0, err
	}
	from := time.Now()
	before, err := p.CPU()
	if err != nil {
		return taken{}, 0, err
	}
	if err := process.Pause(ctx, b.span); err != nil {
		return taken{}, 0, err
	}
	to := time.Now()
	after, err := p.CPU()
	if err != nil {
		return taken{}, 0, err
	}
	if err := process.Pause(ctx, 2*time.Second); err != nil {
		return taken{}, 0, err
	}
	t, n, err := b.read(ctx, k, from, to)
	if err != nil {
		return taken{}, 0, err
	}
	if n == 0 {
		return taken{}, 0, fmt.Errorf("no sample was published; see %s/prober.log", b.dir)
	}
	// What is due once a second is due as often as there are whole seconds, or once more.
	if expected := k.perSec * int(to.Sub(from)/time.Second); n < expected {
		t.lost += expected - n
	}
	cost := (after - before).Seconds()
	if k.beside != nil {
		cost -= float64(n) / k.beside.PerCPU
	}
	if cost <= 0 {
		return taken{}, 0, errors.New("the machine is too busy to tell its cost from that of what is measured beside it")
	}
	return t, float64(n) / cost, nil
}

var errEnough = errors.New("enough")

// read reads the samples that were due in a span.
func (b bench) read(ctx context.Context, k kind, from, to time.Time) (t taken, n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	newest, err := b.reader.Last(ctx, schemas.Samples, "leeward.samples.measured.v1.*."+vantage)
	if err != nil {
		return t, 0, err
	}
	last := newest.Sequence
	err = b.reader.Tail(ctx, schemas.Samples, b.done+1, nil, func(m bus.Message) error {
		batch, err := schemas.DecodeSampleBatch(m.Subject, m.Data)
		if err != nil {
			return err
		}
		for i, due := range batch.DueUS {
			if batch.Kind[i] != k.kind || due < from.UnixMicro() || due >= to.UnixMicro() {
				continue
			}
			n++
			if batch.Outcome[i] != schemas.OK {
				if t.lost++; t.lost == 1 {
					say("%s: a sample ended %s", k.name, batch.Outcome[i])
				}
				continue
			}
			t.trips, t.late = append(t.trips, batch.LatencyUS[i]-batch.LateUS[i]), append(t.late, batch.LateUS[i])
		}
		if m.Sequence >= last {
			return errEnough
		}
		return nil
	})
	b.done = last
	if errors.Is(err, errEnough) {
		err = nil
	}
	return t, n, err
}

// memory measures how much more memory a prober has for many targets that are due once an hour than for hardly any.
func (b bench) memory(ctx context.Context) error {
	resident := func(n int) (float64, error) {
		endpoint := func(i int) schemas.Endpoint {
			return schemas.Endpoint{ICMP: fmt.Sprintf("127.%d.%d.%d", 1+i/60_000, i/250%240, 1+i%250)}
		}
		if err := b.apply(ctx, n, time.Hour, endpoint); err != nil {
			return 0, err
		}
		p, err := b.prober(ctx, fmt.Sprintf("idle-%d", n))
		if err != nil {
			return 0, err
		}
		defer p.Stop()
		// Resident memory falls when the garbage of the start is given back.
		if err := process.Pause(ctx, 20*time.Second); err != nil {
			return 0, err
		}
		rss, err := p.Resident()
		return float64(rss), err
	}
	few, err := resident(regions)
	if err != nil {
		return err
	}
	many, err := resident(b.idle)
	if err != nil {
		return err
	}
	b.RSSPer, b.RSS100k = (many-few)/float64(b.idle-regions), many/(1<<20)
	say("memory: %.0f MB for %d targets, %.0f MB for %d, %s", few/(1<<20), regions, many/(1<<20), b.idle, strings.TrimSpace(fmt.Sprintf("%.0f bytes each", b.RSSPer)))
	return nil
}

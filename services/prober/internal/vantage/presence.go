package vantage

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/anchor"
	"github.com/leeward-failover/leeward/services/prober/internal/guard"
	"github.com/leeward-failover/leeward/services/prober/internal/schedule"
	"github.com/leeward-failover/leeward/services/prober/internal/target"
)

// sight is whether the anchors answered when they were last asked.
type sight struct{ sighted bool }

// sighted says whether the vantage can be believed, as far as it knows. What matters is asked anew before anyone is accused.
func (v *Vantage) sighted() bool {
	s := v.sight.Load()
	return s == nil || s.sighted
}

// sees asks the anchors now, and returns as soon as enough have answered.
func (v *Vantage) sees(ctx context.Context, site site) bool {
	enough := anchor.Enough(len(site.anchors))
	return anchor.Reach(ctx, v.dialAnchor, site.anchors, site.timeout, enough) >= enough
}

// presences starts the rounds in which the vantage asks its anchors and says that it is there. They end when others begin.
func (v *Vantage) presences(ctx context.Context, interval time.Duration) {
	round := uint64(0)
	beat := schedule.Beat{Interval: interval, Phase: schedule.Spread(interval, v.Name)}
	rounds := beat.Every(func(time.Time) {
		if site := v.site.Load(); site != nil {
			round++
			n := round
			v.work.Go(func() { v.present(ctx, *site, n) })
		}
	}, func(n int) { v.Meter.MissedRounds.Add(float64(n)) })
	every := rounds.Fire
	rounds.Fire = func(due, now time.Time) time.Time {
		if v.attending.Load() != rounds {
			return time.Time{}
		}
		return every(due, now)
	}
	v.attending.Store(rounds)
	v.wheel.Add(rounds, beat.After(time.Now()))
}

func (v *Vantage) present(ctx context.Context, site site, round uint64) {
	anchors := len(site.anchors)
	reached := anchor.Reach(ctx, v.dialAnchor, site.anchors, site.timeout, anchors)
	if ctx.Err() != nil {
		return
	}
	seen := reached >= anchor.Enough(anchors)
	v.sight.Store(&sight{seen})
	v.Meter.Present(reached, anchors, seen)
	post(ctx, v, schemas.VantageBucket, schemas.Presence{
		Vantage: v.Name, Region: site.VantageRegion, Boot: v.Boot, Sighted: seen, AnchorsReachable: reached, Anchors: anchors,
		Round: round, At: time.Now(), Topology: site.Topology,
	}, site.interval)
}

// dialAnchor reaches an anchor, and says when it is the guard that does not.
func (v *Vantage) dialAnchor(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := v.Dial(ctx, network, address)
	if errors.Is(err, guard.ErrForbidden) {
		v.refused(target.Target{Kind: schemas.KindTCP, Address: address}, err)
	}
	return conn, err
}

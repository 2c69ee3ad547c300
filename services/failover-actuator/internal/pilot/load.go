package pilot

import (
	"context"
	"fmt"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/load"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/target"
)

// measure writes the app's load again and again while the lease is held, for an app that asks for it. It goes on beside whatever the pilot does:
// a load that was not measured during a shift would be unknown after it.
func (p *Pilot) measure(ctx context.Context) error {
	var gauge load.Gauge
	ticker := time.NewTicker(load.Every)
	defer ticker.Stop()
	troubled := false
	for {
		err := p.measureOnce(ctx, &gauge)
		if err != nil && !troubled && ctx.Err() == nil {
			p.Log.Warn().Err(err).Msg("load not measured")
		}
		troubled = err != nil
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (p *Pilot) measureOnce(ctx context.Context, gauge *load.Gauge) error {
	_, app, err := p.app()
	if err != nil || !asks(app) || !p.Mirrors.Loads.Synced() || p.allowed() != nil {
		*gauge = load.Gauge{}
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, load.Every/2)
	defer cancel()
	counts, err := counted(ctx, app)
	if err != nil {
		return err
	}
	now := time.Now()
	perSecond, asked, known := gauge.Add(now, counts)
	if !known {
		return nil
	}
	before, _ := p.Mirrors.Loads.Get(p.App)
	_, err = bus.Put(ctx, p.Bus, schemas.LoadBucket, schemas.Load{
		App: p.App, RequestsPerSecond: perSecond, At: now, Regions: load.Regions(before.Value, now, app.Targets, asked),
	}, bus.Condition{})
	return err
}

// asks says whether a gate or the weights of an app are by its load.
func asks(app schemas.App) bool {
	return app.Gates.Headroom > 0 || app.Objective.Weights == schemas.ObservedWeights
}

// counter is a target that counts what it is asked for. Not every kind can.
type counter interface {
	Requests(context.Context) (uint64, error)
}

// counted asks every target of an app how many requests it has had.
func counted(ctx context.Context, app schemas.App) ([]uint64, error) {
	targets, err := target.Of(app)
	if err != nil {
		return nil, err
	}
	counts := make([]uint64, len(targets))
	for i, t := range targets {
		c, ok := t.(counter)
		if !ok {
			return nil, fmt.Errorf("target %s does not count requests", t.Name())
		}
		if counts[i], err = c.Requests(ctx); err != nil {
			return nil, fmt.Errorf("target %s: %w", t.Name(), err)
		}
	}
	return counts, nil
}

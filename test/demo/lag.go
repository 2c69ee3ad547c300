package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// pause is how long the replica stands still.
const pause = 5 * time.Second

// lag lets the replica of a region that traffic could be moved to stand still, and looks at how its gate closes and opens again.
func (d *demo) lag(ctx context.Context) error {
	region, err := d.replica(ctx)
	if err != nil {
		return err
	}
	gate := func(want schemas.GateResult) (time.Time, error) {
		err := until(ctx, 30*time.Second, "the replication gate of "+region, func(ctx context.Context) error {
			g, err := d.gate(ctx, region, "replication")
			if err != nil || g.Result == want {
				d.report.Lag.Evidence = g.Evidence
				return err
			}
			return fmt.Errorf("it is %s, want %s: %s", g.Result, want, g.Evidence)
		})
		return time.Now(), err
	}
	if _, err := gate(schemas.Pass); err != nil {
		return err
	}
	if _, err := d.world(ctx, "pause-replica", region); err != nil {
		return err
	}
	paused := time.Now()
	defer func() { _, _ = d.world(context.WithoutCancel(ctx), "resume-replica", region) }()
	closed, err := gate(schemas.Fail)
	if err != nil {
		return err
	}
	evidence := d.report.Lag.Evidence
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Until(paused.Add(pause))):
	}
	if _, err := d.world(ctx, "resume-replica", region); err != nil {
		return err
	}
	resumed := time.Now()
	opened, err := gate(schemas.Pass)
	if err != nil {
		return err
	}
	d.report.Lag = Lag{
		Region: region, RPOMS: ms(d.app.Gates.RPO.D()), PausedMS: ms(resumed.Sub(paused)), ClosedMS: ms(closed.Sub(paused)), ReopenedMS: ms(opened.Sub(resumed)), Evidence: evidence,
	}
	d.say("  %s paused for %.1f s: gate closed %.0f ms after the pause, of which %.0f are allowed lag (%s), open %.0f ms after it went on",
		region, resumed.Sub(paused).Seconds(), d.report.Lag.ClosedMS, d.report.Lag.RPOMS, evidence, d.report.Lag.ReopenedMS)
	return nil
}

// replica is the first region in the order that is eligible and whose database is not the primary.
func (d *demo) replica(ctx context.Context) (string, error) {
	candidates, err := d.candidates(ctx)
	if err != nil {
		return "", err
	}
	for _, k := range candidates {
		if k.Eligible && d.app.Database(k.Region) != d.app.PrimaryDatabase {
			return k.Region, nil
		}
	}
	return "", fmt.Errorf("no region with a replica is eligible")
}

// gate is what the ranking says of a region's gate.
func (d *demo) gate(ctx context.Context, region, name string) (schemas.Gate, error) {
	candidates, err := d.candidates(ctx)
	if err != nil {
		return schemas.Gate{}, err
	}
	for _, k := range candidates {
		for _, g := range k.Gates {
			if k.Region == region && g.Name == name {
				return g, nil
			}
		}
	}
	return schemas.Gate{}, fmt.Errorf("%s has no gate %s", region, name)
}

// candidates is the order for where traffic is now.
func (d *demo) candidates(ctx context.Context) ([]schemas.RankedCandidate, error) {
	route, err := d.route(ctx)
	if err != nil {
		return nil, err
	}
	var r schemas.Ranking
	if err := d.client.get(ctx, "/v1/apps/"+appName+"/ranking?active="+route.Active.Region, &r); err != nil {
		return nil, err
	}
	if len(r.Orders) == 0 {
		return nil, fmt.Errorf("the ranking has no order for %s", route.Active.Region)
	}
	return r.Orders[0].Candidates, nil
}

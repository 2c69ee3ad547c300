package vantage

import (
	"context"
	"sync"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/board"
	"github.com/leeward-failover/leeward/services/prober/internal/verdict"
)

// judge holds what the vantage knows of an app in a region. It outlives changes of the topology.
type judge struct {
	vantage     *Vantage
	app, region string

	mu    sync.Mutex
	state verdict.State
	// last is closed when the latest round that started was judged.
	last chan struct{}
}

func newJudge(v *Vantage, app, region string) *judge {
	last := make(chan struct{})
	close(last)
	return &judge{vantage: v, app: app, region: region, state: verdict.Start(time.Now()), last: last}
}

// queue gives a round its place: it waits for before and closes judged.
func (j *judge) queue() (before, judged chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	before, judged = j.last, make(chan struct{})
	j.last = judged
	return before, judged
}

func (j *judge) now() verdict.State {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.state
}

// round judges a regular round. Before it newly calls a region down it makes sure that it still sees its anchors.
func (j *judge) round(ctx context.Context, c *cell, site site, readings []verdict.Reading) {
	policy := verdict.Policy{DownAfter: c.DownAfter, UpAfter: c.UpAfter, MaxLatency: c.MaxLatency, Quantile: c.Quantile}
	l := verdict.See(time.Now(), j.vantage.sighted(), readings)
	if l.Sighted && j.now().Accuses(l, policy) {
		l.Sighted = j.vantage.sees(ctx, site)
		l.At = time.Now()
	}
	j.settle(ctx, c, site, l, "", func(s verdict.State) verdict.State { return s.Round(l, policy) })
}

// answer judges a look on request.
func (j *judge) answer(ctx context.Context, c *cell, site site, l verdict.Look, incident string) {
	j.settle(ctx, c, site, l, incident, func(s verdict.State) verdict.State { return s.Answer(l) })
}

// settle moves the state on and says so on the bus.
func (j *judge) settle(ctx context.Context, c *cell, site site, l verdict.Look, incident string, step func(verdict.State) verdict.State) {
	j.mu.Lock()
	defer j.mu.Unlock()
	from := j.state.Health
	j.state = step(j.state)
	s := j.state
	j.vantage.Meter.Judged(j.app, j.region, s.Health)
	// Written under the lock, so that verdicts leave in the order they were reached.
	post(ctx, j.vantage, schemas.VerdictBucket, schemas.Verdict{
		Vantage: j.vantage.Name, App: j.app, Region: j.region, Health: s.Health, Since: s.Since, At: l.At, Round: s.Rounds, Incident: incident,
		FailedRounds: s.Failed, Variants: l.Variants, LatencyUS: l.LatencyUS, ConnectUS: l.ConnectUS, Reason: s.Reason, Replication: j.vantage.heartbeats.replication(c.Cell), Topology: site.Topology,
	}, c.Interval)
	if s.Health == from {
		return
	}
	j.vantage.Log.Info().Str("app", j.app).Str("region", j.region).Str("from", string(from)).Str("to", string(s.Health)).Str("reason", s.Reason).Msg("health changed")
	change := schemas.HealthChanged{Vantage: j.vantage.Name, App: j.app, Region: j.region, From: from, To: s.Health, Round: s.Rounds, Reason: s.Reason, Topology: site.Topology, At: l.At}
	j.vantage.board.Post(ctx, change.Identity(), board.Notice{Life: schemas.HealthChangedTopic.Contract().ActWithin, Write: func(ctx context.Context) error {
		return bus.Publish(ctx, j.vantage.Bus, schemas.HealthChangedTopic, change)
	}})
}

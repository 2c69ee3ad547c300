// Package detect looks for anomalies once a minute: it reads the newest minutes from ClickHouse, has them judged, and tells what began and what ended. Rankings do not wait for it.
package detect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/alert"
	"github.com/leeward-failover/leeward/services/ranker/internal/anomaly"
)

const (
	// settle is how long after its end a minute is read: samples are on their way until then. The minutes before it are read again, for what came later still.
	settle = 10 * time.Second
	again  = 2
	// patience is how long one look may take.
	patience = 30 * time.Second
	// keep is how long an anomaly that ended stays in the bucket, resend how long Alertmanager is told that it ended.
	keep   = 24 * time.Hour
	resend = 15 * time.Minute
)

// Loop looks once a minute.
type Loop struct {
	db      *clickhouse.DB
	bus     *bus.Bus
	metrics *metrics
	log     zerolog.Logger
	// alerts is nil where there is no Alertmanager.
	alerts *alert.Sender

	told     *bus.Mirror[schemas.Anomaly]
	detector *anomaly.Detector
	// newest is the newest minute that was read. pending are events that the bus has not taken yet, in order.
	newest  int64
	pending []schemas.AnomalyDetected
	// ended are those that Alertmanager is still told of.
	ended  []schemas.AnomalyDetected
	failed bool
}

// New makes a loop that alerts through the Alertmanager at an address, through none when the address is empty.
func New(b *bus.Bus, db *clickhouse.DB, proc daemon.Process, alertmanager, token string) *Loop {
	l := &Loop{db: db, bus: b, metrics: newMetrics(proc.Metrics), log: proc.Log, told: bus.NewMirror(b, schemas.AnomalyBucket)}
	if alertmanager != "" {
		l.alerts = alert.NewSender(alertmanager, token, l.metrics.alertmanager, proc.Log)
	}
	return l
}

// Run looks until ctx ends.
func (l *Loop) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return l.told.Run(ctx) })
	if l.alerts != nil {
		g.Go(func() error { return l.alerts.Run(ctx) })
	}
	g.Go(func() error { return l.watch(ctx) })
	return g.Wait()
}

// watch looks as soon as it can, and then whenever a minute has settled.
func (l *Loop) watch(ctx context.Context) error {
	if err := l.told.Wait(ctx); err != nil {
		return err
	}
	for {
		l.note(l.look(ctx, time.Now()))
		next := time.Now().Add(-settle).Truncate(time.Minute).Add(time.Minute + settle)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Until(next)):
		}
	}
}

// note says in the log when looking begins to fail and when it works again.
func (l *Loop) note(err error) {
	switch {
	case errors.Is(err, context.Canceled):
		return
	case err != nil:
		l.metrics.failures.Inc()
		if !l.failed {
			l.log.Warn().Err(err).Msg("no look for anomalies")
		}
	case l.failed:
		l.log.Info().Msg("anomalies are looked for again")
	}
	l.failed = err != nil
}

// look judges the newest minute that has settled, unless it was judged before, and tells what came of it.
func (l *Loop) look(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	number := now.Add(-settle).Unix()/60 - 1
	if l.detector == nil {
		if err := l.restore(ctx, number); err != nil {
			return err
		}
	} else if number > l.newest {
		if err := read(ctx, l.db, max(l.newest+1-again, number-anomaly.Span+1), number, l.detector); err != nil {
			return err
		}
	}
	if number > l.newest {
		l.newest = number
		changes := l.detector.Look(number, now.UTC())
		l.pending = append(l.pending, changes...)
		l.ended = append(l.ended, slices.DeleteFunc(slices.Clone(changes), func(e schemas.AnomalyDetected) bool { return e.State != schemas.AnomalyEnded })...)
		l.metrics.looked(l.detector.Open(), changes)
	}
	l.alert(now)
	return errors.Join(l.tell(ctx), l.forget(ctx, now))
}

// restore begins with what was told before, and with the minutes that ClickHouse remembers.
func (l *Loop) restore(ctx context.Context, number int64) error {
	var open, ended, pending []schemas.AnomalyDetected
	for _, entry := range l.told.All() {
		a := entry.Value
		if !a.Announced {
			pending = append(pending, a.Last)
		}
		if a.Open() {
			open = append(open, a.Last)
		} else {
			ended = append(ended, a.Last)
		}
	}
	d := anomaly.NewDetector(open)
	if err := read(ctx, l.db, number-anomaly.Span+1, number, d); err != nil {
		return err
	}
	for _, e := range ended {
		d.Forgive(e)
	}
	l.detector, l.pending, l.ended = d, pending, ended
	return nil
}

// tell hands on what began and what ended: to the bucket first, so that a ranker that dies here tells it when it starts again.
func (l *Loop) tell(ctx context.Context) error {
	for len(l.pending) > 0 {
		e := l.pending[0]
		if _, err := bus.Put(ctx, l.bus, schemas.AnomalyBucket, schemas.Anomaly{Last: e}, bus.Condition{}); err != nil {
			return err
		}
		if err := bus.Publish(ctx, l.bus, schemas.AnomalyDetectedTopic, e); err != nil {
			return err
		}
		if _, err := bus.Put(ctx, l.bus, schemas.AnomalyBucket, schemas.Anomaly{Last: e, Announced: true}, bus.Condition{}); err != nil {
			return err
		}
		l.log.Info().Str("anomaly", e.ID).Str("state", string(e.State)).Str("where", e.Where()).Msg("anomaly told")
		l.pending = l.pending[1:]
	}
	return nil
}

// alert hands Alertmanager what is open, and what ended lately, in case it was not there to hear that.
func (l *Loop) alert(now time.Time) {
	l.ended = slices.DeleteFunc(l.ended, func(e schemas.AnomalyDetected) bool { return now.Sub(e.At) > resend })
	if l.alerts != nil {
		l.alerts.Set(append(l.detector.Open(), l.ended...))
	}
}

// forget removes anomalies from the bucket that ended long ago.
func (l *Loop) forget(ctx context.Context, now time.Time) error {
	for _, entry := range l.told.All() {
		a := entry.Value
		if a.Open() || now.Sub(a.Last.At) <= keep {
			continue
		}
		if err := bus.Delete(ctx, l.bus, schemas.AnomalyBucket, entry.Revision, a.Key()...); err != nil && !errors.Is(err, bus.ErrConflict) {
			return fmt.Errorf("forget anomaly %s: %w", a.Last.ID, err)
		}
	}
	return nil
}

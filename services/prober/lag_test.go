package prober_test

import (
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/pkg/mariadbtest"
	"github.com/leeward-failover/leeward/pkg/postgrestest"
	"github.com/leeward-failover/leeward/pkg/redistest"
	"github.com/leeward-failover/leeward/schemas"
)

// pair is a primary and a replica of it, and what makes the replica stand still while it goes on answering.
type pair struct {
	primary, replica string
	pause            func()
}

func postgresPair(t *testing.T) pair {
	s := postgrestest.Start(t)
	s.Do(postgrestest.Heartbeats)
	r := s.Follow()
	return pair{s.URL(), r.URL(), func() { r.Do("SELECT pg_wal_replay_pause()") }}
}

func mariaDBPair(t *testing.T) pair {
	s := mariadbtest.Start(t)
	s.Do(mariadbtest.Heartbeats)
	r := s.Follow()
	return pair{s.URL(), r.URL(), func() { r.Do("STOP SLAVE SQL_THREAD") }}
}

func redisPair(t *testing.T) pair {
	s := redistest.Start(t)
	r := s.Follow()
	return pair{s.URL(), r.URL(), r.Leave}
}

// TestAReplicaThatStandsStillForThreeSecondsIsThreeSecondsBehind looks at the samples of a prober, and at who they say answered.
func TestAReplicaThatStandsStillForThreeSecondsIsThreeSecondsBehind(t *testing.T) {
	for name, start := range map[string]func(*testing.T) pair{"PostgreSQL": postgresPair, "MariaDB": mariaDBPair, "Redis": redisPair} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			standsStill(t, start(t))
		})
	}
}

func standsStill(t *testing.T, p pair) {
	const interval, pause = 100 * time.Millisecond, 3 * time.Second
	s := bustest.Start(t, "london")
	app := startApp(t)
	environment := settings(t, s, t.TempDir())
	environment["PRIMARY"], environment["REPLICA"] = p.primary, p.replica
	w := topology(interval, schemas.Endpoint{Variant: "slim", TCP: app.address(), Database: "env:REPLICA"})
	w.Apps[0].PrimaryDatabase, w.Apps[0].Probe.Also, w.Apps[0].Probe.Timeout = "env:PRIMARY", []string{"db_fresh"}, schemas.Duration(2*time.Second)
	apply(t, s, w)
	start(t, environment)
	ready(t, environment)
	recorder := s.Connect(schemas.Recorder, "")
	// until returns the first sample of a kind that was due after a time and fits.
	until := func(kind schemas.Kind, after time.Time, fits func(schemas.Sample) bool) (found schemas.Sample) {
		stored(t.Context(), t, recorder, func(batches []*schemas.SampleBatch) bool {
			last := batches[len(batches)-1]
			for i := range last.Len() {
				if found = last.At(i); found.Kind == kind && found.DueUS >= after.UnixMicro() && fits(found) {
					return true
				}
			}
			return false
		})
		return found
	}
	well := func(s schemas.Sample) bool { return s.Outcome == schemas.OK }
	until(schemas.KindDBLag, time.Time{}, func(s schemas.Sample) bool { return s.LatencyUS == 0 })
	for kind, role := range map[schemas.Kind]string{schemas.KindDBRead: "replica-", schemas.KindDBFresh: "replica-", schemas.KindDBWrite: "primary-"} {
		if s := until(kind, time.Time{}, well); !strings.HasPrefix(s.Server, role) || s.Variant != "" {
			t.Errorf("a %s is %+v, want it answered by a %s", kind, s, role)
		}
	}
	p.pause()
	paused := time.Now()
	lag := until(schemas.KindDBLag, paused.Add(pause), well)
	want := time.UnixMicro(lag.DueUS).Sub(paused)
	got := time.Duration(lag.LatencyUS) * time.Microsecond
	t.Logf("%s after the pause the lag is %s", want, got)
	if (got - want).Abs() > want/10 {
		t.Errorf("%s after the pause the lag is %s, want that within 10 %%", want, got)
	}
}

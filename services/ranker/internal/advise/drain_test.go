package advise_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/advise"
)

// moved stores that traffic was moved: decided at a moment, shifted a second later.
func moved(t *testing.T, db *clickhouse.DB, plan string, at time.Time, from, to string, state schemas.PlanState) {
	t.Helper()
	e := schemas.FailoverFinished{App: "shop", Plan: plan, State: state, From: schemas.Candidate{Region: from, Variant: "slim"}, To: schemas.Candidate{Region: to, Variant: "slim"},
		Times: schemas.PlanTimes{PlannedAt: at, ShiftedAt: at.Add(time.Second)}, At: at.Add(2 * time.Second)}
	data, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Exec(t.Context(), "INSERT INTO events (stored, type, app, id, payload) SELECT {at:DateTime64(6, 'UTC')}, 'leeward.failover.finished.v1', 'shop', {id:String}, {payload:String}",
		clickhouse.Named("at", e.At), clickhouse.Named("id", e.Identity()), clickhouse.Named("payload", string(data))); err != nil {
		t.Fatal(err)
	}
}

// load stores the answers of a region to a load: ten a second, sent from one moment until before another.
func load(t *testing.T, db *clickhouse.DB, boot uint64, region string, from, until time.Time) {
	t.Helper()
	if err := db.Exec(t.Context(), "INSERT INTO samples (due, app, kind, vantage, region, outcome, late_us, boot) SELECT {from:DateTime64(3, 'UTC')} + toIntervalMillisecond(100 * number - 20), 'shop', 'bench', 'import', {region:String}, 'ok', 20000, {boot:UInt64} FROM numbers({n:UInt64})",
		clickhouse.Named("from", from), clickhouse.Named("region", region), clickhouse.Named("boot", boot), clickhouse.Named("n", uint64(until.Sub(from)/(100*time.Millisecond)))); err != nil {
		t.Fatal(err)
	}
}

func TestDrainIsHowLongALoadThroughTheEntryStillSawTheRegionThatWasLeft(t *testing.T) {
	db, dsn := database(t)
	now := time.Now().UTC().Truncate(time.Second)
	land(t, db, stored(t, now.Add(-time.Minute), nil))
	at := func(second float64) time.Time {
		return now.Add(-time.Hour + time.Duration(second*float64(time.Second)))
	}
	want := func(what string, want advise.Drain) {
		t.Helper()
		r, err := advise.Read(t.Context(), db, "shop", now.Add(-2*time.Hour), now)
		if err != nil || r.Drain != want {
			t.Errorf("%s: %+v, %v; want %+v", what, r.Drain, err, want)
		}
	}
	want("nothing was moved", advise.Drain{})
	if out := leeward(t, dsn, "advise shop"); !strings.Contains(out, "  not known: no load went through the entry while traffic was moved") {
		t.Error(out)
	}
	moved(t, db, "zero", at(0), "london", "frankfurt", schemas.PlanFinished)
	want("no load went through the move", advise.Drain{})
	load(t, db, 9, "london", at(-10), at(0.5))
	load(t, db, 9, "frankfurt", at(0.5), at(10))
	want("a drain that ended before the shift", advise.Drain{Failovers: 1, TTLSeconds: 1})
	moved(t, db, "one", at(100), "frankfurt", "london", schemas.PlanFinished)
	load(t, db, 1, "frankfurt", at(90), at(130))
	want("a load on the region that was left, past the entry", advise.Drain{Failovers: 1, TTLSeconds: 1})
	load(t, db, 2, "frankfurt", at(90), at(108))
	load(t, db, 2, "london", at(90), at(130))
	want("a load on both regions, past the entry", advise.Drain{Failovers: 1, TTLSeconds: 1})
	load(t, db, 3, "london", at(101), at(120))
	load(t, db, 3, "frankfurt", at(90), at(125))
	want("a load that ended too soon", advise.Drain{Failovers: 1, TTLSeconds: 1})
	load(t, db, 4, "frankfurt", at(90), at(103.5))
	load(t, db, 4, "london", at(100.5), at(130))
	want("a load through the entry", advise.Drain{Failovers: 2, Seconds: 2.4, TTLSeconds: 3})
	moved(t, db, "two", at(140), "london", "frankfurt", schemas.PlanFinished)
	load(t, db, 4, "london", at(130), at(140.5))
	load(t, db, 4, "frankfurt", at(141), at(160))
	want("traffic that was moved back at once", advise.Drain{Failovers: 3, Seconds: 2.4, TTLSeconds: 3})
	moved(t, db, "three", at(200), "frankfurt", "london", schemas.PlanRolledBack)
	load(t, db, 5, "frankfurt", at(190), at(230))
	load(t, db, 5, "london", at(201), at(231))
	want("a move that was rolled back", advise.Drain{Failovers: 3, Seconds: 2.4, TTLSeconds: 3})
	moved(t, db, "four", at(300), "frankfurt", "london", schemas.PlanFinished)
	load(t, db, 6, "london", at(301), at(330))
	want("a load that the region left never answered", advise.Drain{Failovers: 3, Seconds: 2.4, TTLSeconds: 3})
	load(t, db, 7, "frankfurt", at(300.5), at(320))
	load(t, db, 7, "london", at(300.5), at(330))
	want("a load that began after the decision", advise.Drain{Failovers: 3, Seconds: 2.4, TTLSeconds: 3})
	if out := leeward(t, dsn, "advise shop"); !strings.Contains(out, "  at most 3 s: a resolver may hold a record that long") || !strings.Contains(out, "was sent 2.4 s after the shift, in the slowest of 3 failovers") {
		t.Error(out)
	}
}

package analyst_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/schemas"
)

func TestAnAnomalyIsOneRowThatEnds(t *testing.T) {
	db := migrated(t)
	since := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	began := schemas.AnomalyDetected{ID: "a1", State: schemas.AnomalyBegan, App: "shop", Apps: []string{"shop"}, Scope: schemas.AnomalyScope{Region: "tokyo"},
		Moved: 39, Of: 40, MovedVantages: 5, OfVantages: 5, PValue: 1e-9, QValue: 1e-7, Since: since, DetectedAt: since.Add(5 * time.Minute), At: since.Add(5 * time.Minute),
		Cells: []schemas.AnomalyCell{{App: "shop", Region: "tokyo", Variant: "slim", Vantage: "madrid", Kind: "http", Measures: []schemas.AnomalyMeasure{schemas.AnomalyLatency},
			Before: schemas.AnomalyLevel{P50MS: 210.5, P95MS: 240}, After: schemas.AnomalyLevel{P50MS: 275.25, P95MS: 300, Loss: 0.01}}}}
	ended := began
	ended.State, ended.Reason, ended.At = schemas.AnomalyEnded, "40 of 40 cells are as before", since.Add(time.Hour)
	lasts := began
	lasts.ID, lasts.Scope = "a2", schemas.AnomalyScope{}
	// In the order in which they may well be stored, and one of them twice.
	for i, e := range []schemas.AnomalyDetected{ended, began, lasts, began} {
		store(t, db, i, e)
	}
	want := [][]any{
		{"a1", "2026-11-20 12:00:00", "2026-11-20 12:05:00.000", "2026-11-20 13:00:00.000", "tokyo", "", float64(39), float64(5), "shop tokyo/slim from madrid by http", 210.5, 275.25, 0.01, "40 of 40 cells are as before"},
		{"a2", "2026-11-20 12:00:00", "2026-11-20 12:05:00.000", nil, "", "", float64(39), float64(5), "shop tokyo/slim from madrid by http", 210.5, 275.25, 0.01, ""},
	}
	got := ask(t, db, `SELECT id, since, detected, ended, region, vantage, moved, of_vantages, worst_cell, before_ms, after_ms, after_loss, reason FROM anomalies ORDER BY id`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("anomalies (-want +got): %s", diff)
	}
}

func store(t *testing.T, db *clickhouse.DB, i int, e schemas.AnomalyDetected) {
	t.Helper()
	subject, data, err := schemas.AnomalyDetectedTopic.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Insert(t.Context(), clickhouse.Block{Table: "events", Token: string(rune('a' + i)), Columns: []clickhouse.Column{
		{Name: "stored", Values: []time.Time{e.At}}, {Name: "type", Values: []string{schemas.AnomalyDetectedTopic.Contract().Name}}, {Name: "subject", Values: []string{subject}},
		{Name: "id", Values: []string{e.Identity()}}, {Name: "app", Values: []string{e.App}}, {Name: "payload", Values: []string{string(data)}},
	}}); err != nil {
		t.Fatal(err)
	}
}

package analyst_test

import (
	"testing"
	"time"
)

// TestFullestKindDecidesAvailability has an hour in which one kind fails for every region, beside a kind that is less full and a kind that decides nothing, which do the opposite.
func TestFullestKindDecidesAvailability(t *testing.T) {
	db := migrated(t)
	fuller := map[string]string{"http": "grpc", "grpc": "exec", "exec": "tcp", "tcp": "tls", "tls": "icmp", "icmp": "http_kept"}
	begin := time.Now().UTC().Truncate(time.Hour).Add(-2 * time.Hour)
	var rows []sample
	for kind, less := range fuller {
		for i := range 120 {
			for k, outcome := range map[string]string{kind: "timeout", less: "ok"} {
				rows = append(rows, sample{due: begin.Add(time.Duration(i) * 30 * time.Second), app: "shop", kind: k, vantage: "london", region: kind, variant: "slim", outcome: outcome, latency: 1, boot: 1, counter: 1})
			}
		}
	}
	insertSamples(t, db, rows)
	var found []struct {
		Region      string `ch:"region"`
		DownMinutes uint64 `ch:"down_minutes"`
		Samples     uint64 `ch:"samples"`
	}
	if err := db.Select(t.Context(), &found, "SELECT region, sum(down_minutes) AS down_minutes, sum(a.samples) AS samples FROM availability AS a GROUP BY region"); err != nil {
		t.Fatal(err)
	}
	if len(found) != len(fuller) {
		t.Fatalf("%d regions, want %d", len(found), len(fuller))
	}
	for _, f := range found {
		if f.DownMinutes != 60 || f.Samples != 120 {
			t.Errorf("where %s decides: %d minutes down of %d samples, want 60 of 120", f.Region, f.DownMinutes, f.Samples)
		}
	}
}

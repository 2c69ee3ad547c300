package refresh_test

import (
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/refresh"
)

func TestRankingStandsForAWhileUnlessItIsOfTheFuture(t *testing.T) {
	app := schemas.App{Objective: schemas.Objective{Window: schemas.Duration(10 * time.Minute)}, Failover: schemas.Failover{MaxRankingAge: schemas.Duration(10 * time.Minute)}}
	now := time.Date(2026, 11, 28, 8, 0, 0, 0, time.UTC)
	for age, want := range map[time.Duration]bool{0: false, 5 * time.Second: false, 29 * time.Second: false, 30 * time.Second: true, -time.Second: true, -time.Hour: true} {
		if got := refresh.Stood(app, now.Add(-age), now); got != want {
			t.Errorf("published %s ago: stood = %t, want %t", age, got, want)
		}
	}
}

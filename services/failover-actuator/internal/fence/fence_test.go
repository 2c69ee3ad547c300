package fence_test

import (
	"errors"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/fence"
)

func TestOfTwoClaimsOfAnEpochOneWins(t *testing.T) {
	s := bustest.Start(t)
	ctx := t.Context()
	open := func() (*fence.Book, error) { return fence.Open(ctx, s.Connect(schemas.Actuator, ""), "shop") }
	first, err := open()
	if !errors.Is(err, bus.ErrNotFound) {
		t.Fatalf("a route that is not there: %v", err)
	}
	late, _ := open()
	london, tokyo := schemas.Candidate{Region: "london", Variant: "slim"}, schemas.Candidate{Region: "tokyo", Variant: "slim"}
	route := schemas.Route{App: "shop", Active: london, Epoch: schemas.Epoch{Term: 1, N: 1}, Since: time.Now()}
	if err := first.Write(ctx, route); err != nil {
		t.Fatal(err)
	}
	if err := late.Write(ctx, route); !errors.Is(err, bus.ErrConflict) {
		t.Errorf("a second first route: %v", err)
	}
	second, err := open()
	if err != nil {
		t.Fatal(err)
	}
	mine, theirs := schemas.Plan{ID: "mine", Epoch: schemas.Epoch{Term: 1, N: 2}}, schemas.Plan{ID: "theirs", Epoch: schemas.Epoch{Term: 1, N: 2}}
	for range 2 {
		if err := first.Claim(ctx, mine, tokyo); err != nil {
			t.Fatalf("claim: %v", err)
		}
	}
	if err := second.Claim(ctx, theirs, london); !errors.Is(err, fence.ErrSuperseded) {
		t.Errorf("second claim of the epoch: %v", err)
	}
	if r := second.Route(); r.Plan != "mine" || r.Active != tokyo {
		t.Errorf("the loser sees %+v", r)
	}
	// An epoch that jumps ahead is passed by none that is lower, and whoever held the lower one learns it.
	theirs.Epoch = schemas.Epoch{Term: 2, N: 1}
	if err := second.Claim(ctx, theirs, london); err != nil {
		t.Fatal(err)
	}
	if err := first.Claim(ctx, mine, tokyo); !errors.Is(err, fence.ErrSuperseded) {
		t.Errorf("what was held and is lost: %v", err)
	}
}

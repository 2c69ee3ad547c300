package prober_test

import (
	"context"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/schemas"
)

const beat = 200 * time.Millisecond

func TestRegionIsJudgedUpDegradedDownAndUpAgain(t *testing.T) {
	s := bustest.Start(t, "london")
	single, slim := startApp(t), startApp(t)
	apply(t, s, topology(beat, schemas.Endpoint{Variant: "single", HTTP: single.URL, TCP: single.address()}, schemas.Endpoint{Variant: "slim", HTTP: slim.URL}))
	actuator := s.Connect(schemas.Actuator, "")
	verdicts := mirror(t, actuator, schemas.VerdictBucket)
	start(t, settings(s, t.TempDir()))
	key := []string{"london", "shop", "tokyo"}

	up := await(t, verdicts, "up", health(schemas.Up), key...)
	if up.LatencyUS == 0 || len(up.Variants) != 2 || up.Topology == "" || up.FailedRounds != 0 {
		t.Errorf("up verdict is not whole: %+v", up)
	}
	slim.status.Store(500)
	degraded := await(t, verdicts, "degraded", health(schemas.Degraded), key...)
	if v := degraded.Variants[1]; v.Variant != "slim" || v.OK || v.Error != "http: status 500 Internal Server Error" {
		t.Errorf("degraded by %+v, want slim by its status", v)
	}
	single.silent.Store(true)
	cut := time.Now()
	down := await(t, verdicts, "down", health(schemas.Down), key...)
	if down.FailedRounds != 3 || down.Since.Before(cut) {
		t.Errorf("down after %d failed rounds since %s, want 3 after %s", down.FailedRounds, down.Since, cut)
	}
	if took := time.Since(cut); took > 5*beat {
		t.Errorf("down took %s, want at most three rounds and a timeout", took)
	}
	slim.status.Store(204)
	single.silent.Store(false)
	await(t, verdicts, "up again", health(schemas.Up), key...)

	var path []schemas.Health
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	_ = s.Connect(schemas.Gateway, "").Tail(ctx, schemas.Events, 1, []string{schemas.HealthChangedTopic.Contract().Filter()}, func(m bus.Message) error {
		e, err := schemas.HealthChangedTopic.Decode(m.Subject, m.Data)
		if err != nil {
			return err
		}
		if path = append(path, e.To); len(path) > 3 && e.To == schemas.Up {
			stop()
		}
		return nil
	})
	if path[0] != schemas.Up || path[1] != schemas.Degraded || path[2] != schemas.Down {
		t.Errorf("health changed %v, want up, degraded, down first", path)
	}
}

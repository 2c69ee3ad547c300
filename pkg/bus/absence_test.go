package bus_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/schemas"
)

func TestAbsenceOfTheBusIsToldOnceAMinute(t *testing.T) {
	s := bustest.Start(t)
	s.Stop()
	var told bytes.Buffer
	b, err := bus.Connect(bus.Options{URL: s.URL(), Seed: s.Seed(schemas.Actuator, ""), Service: schemas.Actuator, Log: zerolog.New(zerolog.SyncWriter(&told))})
	if err != nil {
		t.Fatal(err)
	}
	ctx := within(t, 3*time.Second)
	var g errgroup.Group
	g.Go(func() error { return bus.NewMirror(b, schemas.VerdictBucket).Run(ctx) })
	g.Go(func() error {
		return bus.Consume(ctx, b, schemas.AlertReceivedTopic, "", func(context.Context, schemas.AlertReceived) error { return nil })
	})
	_ = g.Wait()
	b.Close()
	for _, line := range []string{"mirror interrupted", "reader interrupted"} {
		if n := strings.Count(told.String(), line); n != 1 {
			t.Errorf("%q is there %d times, want 1 of many tries", line, n)
		}
	}
}

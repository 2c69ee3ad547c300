package outbox_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/services/failover-actuator/internal/outbox"
)

func TestWhatWasSaidIsSentInOrderThoughTheBoxIsToldToStop(t *testing.T) {
	box := outbox.New(zerolog.Nop())
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var sent []int
	for n := range 5 {
		box.Put(func(ctx context.Context) error {
			if sent = append(sent, n); n == 1 {
				stop()
				return errors.New("this one is lost")
			}
			return ctx.Err()
		})
	}
	if err := box.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("run = %v", err)
	}
	if want := []int{0, 1, 2, 3, 4}; !slices.Equal(sent, want) {
		t.Errorf("sent %v, want %v", sent, want)
	}
}

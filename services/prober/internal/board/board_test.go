package board_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/services/prober/internal/board"
)

func TestSlowWriteIsFollowedByTheNewestOnly(t *testing.T) {
	b := &board.Board{Failed: func(key string, err error) { t.Errorf("%s: %v", key, err) }}
	started, release := make(chan struct{}), make(chan struct{})
	var written []int
	post := func(n int) {
		b.Post(t.Context(), "key", board.Notice{Life: time.Minute, Write: func(context.Context) error {
			if n == 0 {
				close(started)
				<-release
			}
			written = append(written, n)
			return nil
		}})
	}
	post(0)
	<-started
	for n := 1; n <= 5; n++ {
		post(n)
	}
	close(release)
	b.Wait()
	post(6)
	b.Wait()
	if diff := cmp.Diff([]int{0, 5, 6}, written); diff != "" {
		t.Error(diff)
	}
}

func TestWriteEndsWithItsLifeAndFailureIsTold(t *testing.T) {
	var failed []string
	b := &board.Board{Failed: func(key string, err error) {
		if errors.Is(err, context.DeadlineExceeded) {
			failed = append(failed, key)
		}
	}}
	b.Post(t.Context(), "away", board.Notice{Life: time.Millisecond, Write: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }})
	b.Wait()
	if diff := cmp.Diff([]string{"away"}, failed); diff != "" {
		t.Error(diff)
	}
}

package chembed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/leeward-failover/leeward/pkg/filelock"
)

// lockFile waits for the lock; the kernel's own wait can not be told to stop.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	for {
		unlock, err := filelock.Try(path)
		if !errors.Is(err, filelock.ErrHeld) {
			return unlock, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for %s: %w", path, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

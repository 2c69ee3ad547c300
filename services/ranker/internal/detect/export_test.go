package detect

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

// RunAt runs all of the loop but its clock: each time that comes in is a look.
func (l *Loop) RunAt(ctx context.Context, times <-chan time.Time, looked chan<- error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return l.told.Run(ctx) })
	if l.alerts != nil {
		g.Go(func() error { return l.alerts.Run(ctx) })
	}
	g.Go(func() error {
		if err := l.told.Wait(ctx); err != nil {
			return err
		}
		for {
			select {
			case at := <-times:
				looked <- l.look(ctx, at)
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	return g.Wait()
}

package runtime

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
)

// Follow sends the image states of a region, as the bus has them and again whenever any changes, until ctx ends.
func Follow(ctx context.Context, b *bus.Bus, region string, states chan<- schemas.ImageState) error {
	images := bus.NewMirror(b, schemas.ImageBucket)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return images.Run(ctx) })
	g.Go(func() error {
		for {
			changed := images.Changed()
			for _, entry := range images.All() {
				if entry.Value.Region != region {
					continue
				}
				select {
				case states <- entry.Value:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	return g.Wait()
}

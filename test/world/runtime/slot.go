package runtime

import (
	"context"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// slot is where one variant runs: one container at a time, because its port is taken.
type slot struct {
	runtime Runtime
	store   *store
	id      string
	wanted  chan schemas.ImageState
}

const (
	// retryAfter is how long to wait after a pull or a start that went wrong, and between the starts of a container
	// that dies at once.
	retryAfter = time.Second
	// graceful is how long a container has to end by itself.
	graceful = 3 * time.Second
)

// want replaces what the slot should run; only the latest counts.
func (s *slot) want(state schemas.ImageState) {
	select {
	case <-s.wanted:
	default:
	}
	s.wanted <- state
}

// run keeps the wanted image running until ctx ends.
func (s *slot) run(ctx context.Context) {
	log := s.runtime.Log.With().Str("container", s.id).Logger()
	var (
		next    *schemas.ImageState // wanted and not pulled yet
		image   image               // what runs, or should
		current *container          // nil while none runs
		retry   <-chan time.Time
	)
	for {
		select {
		case <-ctx.Done():
			current.stop()
			return
		case state := <-s.wanted:
			next = &state
		case <-current.ended():
			log.Warn().AnErr("error", current.err).Msg("container died")
			lived := time.Since(current.started)
			current = nil
			if lived < retryAfter {
				retry = time.After(retryAfter)
				continue
			}
		case <-retry:
		}
		if next != nil && next.Digest == image.digest {
			next = nil
		}
		if next != nil {
			began := time.Now()
			pulled, err := s.store.pull(ctx, s.id, *next)
			if err != nil {
				log.Warn().Err(err).Str("image", next.Reference).Msg("image not pulled")
				retry = time.After(retryAfter)
			} else {
				log.Info().Str("image", next.Reference).Dur("took", time.Since(began)).Msg("image pulled")
				// The old container served until here; what follows takes a moment.
				current.stop()
				image, current, next = pulled, nil, nil
			}
		}
		if current == nil && image.digest != "" {
			var err error
			if current, err = s.runtime.start(ctx, s.id, image); err != nil {
				log.Warn().Err(err).Msg("container not started")
				retry = time.After(retryAfter)
				continue
			}
			log.Info().Str("image", image.digest).Msg("container started")
			if err := s.store.release(s.id, image); err != nil {
				log.Warn().Err(err).Msg("old layers not removed")
			}
		}
	}
}

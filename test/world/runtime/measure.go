package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// Measure brings an image from the region's registry to its first answer where nothing of it was before, on the runtime's
// Port. It returns how long it took to fetch and unpack the image, and from the start of the container to the first 200.
func (r Runtime) Measure(ctx context.Context, state schemas.ImageState) (pull, start time.Duration, err error) {
	if err := r.accepts(state); err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.Scratch)) }()
	store := &store{folder: filepath.Join(r.Scratch, "layers"), used: map[string][]string{}}
	id := ContainerID(r.Region.Name, "measured", state.Variant)
	began := time.Now()
	image, err := store.pull(ctx, id, state)
	if err != nil {
		return 0, 0, err
	}
	pull, began = time.Since(began), time.Now()
	running, err := r.start(ctx, id, image)
	if err != nil {
		return 0, 0, err
	}
	defer running.stop()
	err = r.answers(ctx, running)
	return pull, time.Since(began), err
}

// answers asks until the container answers well.
func (r Runtime) answers(ctx context.Context, running *container) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	url := fmt.Sprintf("http://%s:%d/healthz", r.Region.Addr(), r.Port)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(resp.Status)
		}
		select {
		case <-tick.C:
		case <-running.ended():
			return fmt.Errorf("the container ended: %w", running.err)
		case <-ctx.Done():
			return fmt.Errorf("%s: %w: %w", url, ctx.Err(), err)
		}
	}
}

// Package runtime runs the app's containers of one region with runc: it takes what each variant should run, pulls it
// from that region's own registry, replaces the container and starts it again when it dies. It decides nothing.
package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/test/world/site"
)

// Runtime runs containers in the network namespace it is itself in.
type Runtime struct {
	Region site.Site
	// Scratch holds layers, mounted root file systems and runc's own state. It is in memory, which unpacks three times
	// as fast as a disk, and vanishes with the mount namespace.
	Scratch string
	// Logs is the folder of what containers print.
	Logs string
	// Cgroup is the parent of the containers' control groups.
	Cgroup string
	// DatabaseURL is the primary's, where the app writes, and DatabaseReadURL the region's own, where it reads.
	DatabaseURL, DatabaseReadURL string
	// Port, when it is set, is where the app listens instead of its variant's port.
	Port int

	Log zerolog.Logger
}

// Run follows image states until ctx ends, and then stops the containers. States of other regions are none of its
// business; a state whose registry is not this region's, or that was not verified, is left alone.
func (r Runtime) Run(ctx context.Context, states <-chan schemas.ImageState) error {
	if err := r.prepare(ctx); err != nil {
		return err
	}
	store := &store{folder: filepath.Join(r.Scratch, "layers"), used: map[string][]string{}}
	slots := map[string]*slot{}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case state := <-states:
				if err := r.accepts(state); err != nil {
					r.Log.Info().Err(err).Strs("key", state.Key()).Msg("image left alone")
					continue
				}
				id := ContainerID(r.Region.Name, state.App, state.Variant)
				if slots[id] == nil {
					slots[id] = &slot{runtime: r, store: store, id: id, wanted: make(chan schemas.ImageState, 1)}
					g.Go(func() error { slots[id].run(ctx); return nil })
				}
				slots[id].want(state)
			}
		}
	})
	return g.Wait()
}

// ContainerID names the container of a variant in a region, in runc and in the control groups.
func ContainerID(region, app, variant string) string {
	return strings.Join([]string{region, app, variant}, "-")
}

func (r Runtime) accepts(state schemas.ImageState) error {
	switch {
	case state.Region != r.Region.Name:
		return fmt.Errorf("it is for region %s", state.Region)
	case site.Ports[state.Variant] == 0:
		return fmt.Errorf("variant %s has no port here", state.Variant)
	case !state.Verified():
		return fmt.Errorf("its parity is %s", state.Parity)
	case !strings.HasPrefix(state.Reference, r.Region.Registry()+"/"):
		return fmt.Errorf("%s is not in this region's registry %s", state.Reference, r.Region.Registry())
	case !strings.HasSuffix(state.Reference, "@"+state.Digest):
		return fmt.Errorf("%s does not name digest %s", state.Reference, state.Digest)
	}
	return nil
}

// prepare makes the folders and removes the containers that a killed runtime left running.
func (r Runtime) prepare(ctx context.Context) error {
	if err := os.MkdirAll(r.Scratch, 0o700); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "runc", "--root", r.runcRoot(), "list", "--quiet").Output()
	if err != nil {
		return fmt.Errorf("list containers: %w", err)
	}
	var errs []error
	for _, id := range strings.Fields(string(out)) {
		errs = append(errs, r.remove(ctx, id))
	}
	return errors.Join(errs...)
}

func (r Runtime) runcRoot() string {
	return filepath.Join(r.Scratch, "runc")
}

// remove kills a container, if it runs, and forgets it.
func (r Runtime) remove(ctx context.Context, id string) error {
	out, err := exec.CommandContext(ctx, "runc", "--root", r.runcRoot(), "delete", "--force", id).CombinedOutput()
	if err != nil {
		return fmt.Errorf("remove container %s: %w: %s", id, err, out)
	}
	return unmount(r.bundle(id))
}

func (r Runtime) bundle(id string) string {
	return filepath.Join(r.Scratch, "bundle", id)
}

package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// container is a running container; nil is none.
type container struct {
	started time.Time
	cancel  context.CancelFunc
	exited  chan struct{} // closed once err is set
	err     error
}

// start mounts the image, read-only, and runs it.
func (r Runtime) start(ctx context.Context, id string, image image) (*container, error) {
	bundle := r.bundle(id)
	rootfs := filepath.Join(bundle, "rootfs")
	if err := os.MkdirAll(rootfs, 0o755); err != nil {
		return nil, err
	}
	if err := mount(rootfs, image.layers); err != nil {
		return nil, err
	}
	c, err := r.launch(ctx, id, image)
	if err != nil {
		return nil, errors.Join(err, unmount(bundle))
	}
	return c, nil
}

func (r Runtime) launch(ctx context.Context, id string, image image) (*container, error) {
	spec, err := r.spec(id, image)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(r.bundle(id), "config.json"), text, 0o600); err != nil {
		return nil, err
	}
	out, err := os.OpenFile(filepath.Join(r.Logs, id+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }()
	// The container ends by its own cancel, so that it gets its time also when ctx ends.
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	cmd := exec.CommandContext(running, "runc", "--root", r.runcRoot(), "run", "--bundle", r.bundle(id), id)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // runc passes it on
	cmd.WaitDelay = graceful
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("run container %s: %w", id, err)
	}
	c := &container{started: time.Now(), cancel: cancel, exited: make(chan struct{})}
	go func() { // stop, or whoever reads ended, waits for it
		defer close(c.exited)
		defer cancel()
		// After a stop that took too long runc is dead and the container is not.
		c.err = errors.Join(cmd.Wait(), r.remove(context.WithoutCancel(ctx), id))
	}()
	return c, nil
}

// stop ends a container and returns when nothing is left of it.
func (c *container) stop() {
	if c != nil {
		c.cancel()
		<-c.exited
	}
}

// ended is closed when the container is gone.
func (c *container) ended() <-chan struct{} {
	if c == nil {
		return nil
	}
	return c.exited
}

// mount stacks layers, the lowest first, with nothing to write to on top.
func mount(rootfs string, layers []string) error {
	// The kernel wants the highest first, and two at least.
	lower := make([]string, 0, len(layers)+1)
	for i := len(layers) - 1; i >= 0; i-- {
		lower = append(lower, layers[i])
	}
	bottom := filepath.Join(filepath.Dir(rootfs), "bottom")
	for _, point := range []string{"proc", "dev", "tmp"} { // an image made from scratch has nothing to mount on
		if err := os.MkdirAll(filepath.Join(bottom, point), 0o755); err != nil {
			return err
		}
	}
	options := "lowerdir=" + strings.Join(append(lower, bottom), ":")
	if err := unix.Mount("overlay", rootfs, "overlay", unix.MS_RDONLY|unix.MS_NODEV, options); err != nil {
		return fmt.Errorf("mount %d layers: %w", len(layers), err)
	}
	return nil
}

func unmount(bundle string) error {
	err := unix.Unmount(filepath.Join(bundle, "rootfs"), unix.MNT_DETACH)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) { // not mounted
		return nil
	}
	return err
}

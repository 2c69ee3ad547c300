package benchmark

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/containerd/containerd/v2/contrib/seccomp"
	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	containerdoci "github.com/containerd/containerd/v2/pkg/oci"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// containerID is the only container there is at a time, in runc's folder of this builder's.
const containerID = "leeward-benchmark"

// What a container may take: an image that needs more is not measured to its end.
const (
	memory    = 1 << 30
	processes = 512
)

// container is a container made of an unpacked image. Its network holds nothing but itself, so that it reaches nobody and takes nobody's port.
type container struct {
	runc, root, bundle string

	cmd    *exec.Cmd
	said   tail
	exited chan struct{} // closed once err is set
	err    error
}

// prepare writes down how the container runs: as containerd would run the image, with its limits and the port it is to listen on.
func (c *container) prepare(ctx context.Context, config v1.Config, health check) error {
	rootfs := filepath.Join(c.bundle, "rootfs")
	args := append(append([]string(nil), config.Entrypoint...), config.Cmd...)
	if len(args) == 0 {
		return errors.New("the image names no command")
	}
	options := []containerdoci.SpecOpts{
		containerdoci.WithRootFSPath(rootfs), containerdoci.WithProcessArgs(args...), containerdoci.WithDefaultPathEnv,
		containerdoci.WithEnv([]string{"PORT=" + strconv.Itoa(health.port)}), containerdoci.WithEnv(config.Env),
		containerdoci.WithAdditionalGIDs(cmp.Or(config.User, "root")),
		containerdoci.WithMemoryLimit(memory), containerdoci.WithPidsLimit(processes), containerdoci.WithCgroup("/" + containerID + "-" + strconv.Itoa(os.Getpid())),
		seccomp.WithDefaultProfile(),
	}
	if config.User != "" {
		options = append(options, containerdoci.WithUser(config.User))
	}
	if config.WorkingDir != "" {
		options = append(options, containerdoci.WithProcessCwd(config.WorkingDir))
	}
	spec, err := containerdoci.GenerateSpec(namespaces.WithNamespace(ctx, "leeward"), nil, &containers.Container{ID: containerID}, options...)
	if err != nil {
		return err
	}
	text, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(c.bundle, "config.json"), text, 0o600)
}

// start returns when the container's process runs, which is when runc writes down its number.
func (c *container) start(ctx context.Context) error {
	c.cmd = exec.Command(c.runc, "--root", c.root, "run", "--bundle", c.bundle, "--pid-file", c.pidFile(), containerID)
	c.cmd.Stdout, c.cmd.Stderr = &c.said, &c.said
	c.cmd.WaitDelay = 5 * time.Second
	if err := c.cmd.Start(); err != nil {
		return fmt.Errorf("start the container: %w", err)
	}
	c.exited = make(chan struct{})
	go func() { // stop waits for it
		defer close(c.exited)
		c.err = c.cmd.Wait()
	}()
	return c.poll(ctx, time.Millisecond, func() error {
		_, err := c.pid()
		return err
	})
}

// poll asks again and again until there is no error. What it fails with is the last error that the end of ctx did not make, and the end of what the container said.
func (c *container) poll(ctx context.Context, every time.Duration, ask func() error) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var last error
	for {
		err := ask()
		if err == nil {
			return nil
		}
		if !over(ctx) || last == nil {
			last = err
		}
		select {
		case <-tick.C:
		case <-c.exited:
			return c.saying(fmt.Errorf("the container ended: %w", cmp.Or(c.err, last)))
		case <-ctx.Done():
			return c.saying(fmt.Errorf("%w: %w", ctx.Err(), last))
		}
	}
}

// over says whether ctx has ended. A connection that its deadline ends fails a moment before ctx says so.
func over(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && !time.Now().Before(deadline)
}

func (c *container) saying(err error) error {
	if said := c.said.String(); said != "" {
		return fmt.Errorf("%w; it said: %s", err, said)
	}
	return err
}

// healthy returns at the first answer whose status is 200 to 399.
func (c *container) healthy(ctx context.Context, health check) error {
	var space *os.File
	// A container that has just ended has no network any more: then poll waits until runc says so too.
	err := c.poll(ctx, time.Millisecond, func() (err error) {
		space, err = c.network()
		return err
	})
	if err != nil {
		return err
	}
	defer func() { _ = space.Close() }()
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(health.port))
	return c.poll(ctx, 5*time.Millisecond, func() error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		// A transport that connected by itself might do so still when space is closed.
		conn, err := dialIn(ctx, space, address)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		return ask(ctx, conn, "http://"+address+health.path)
	})
}

// network is the container's network namespace.
func (c *container) network() (*os.File, error) {
	pid, err := c.pid()
	if err != nil {
		return nil, err
	}
	return os.Open("/proc/" + strconv.Itoa(pid) + "/ns/net")
}

// ask gets a URL over a connection.
func ask(ctx context.Context, conn net.Conn, url string) error {
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode < http.StatusOK || response.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	return nil
}

// stop ends the container, however far it came.
func (c *container) stop(ctx context.Context) error {
	if c.exited == nil {
		return nil
	}
	err := sweep(ctx, c.runc, c.root)
	_ = c.cmd.Process.Kill() // what is left is runc, if it is
	<-c.exited
	return errors.Join(err, os.Remove(c.pidFile()))
}

func (c *container) pidFile() string { return filepath.Join(c.bundle, "pid") }

func (c *container) pid() (int, error) {
	text, err := os.ReadFile(c.pidFile())
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(text))
}

// sweep ends every container that runc keeps in a folder.
func sweep(ctx context.Context, runc, root string) error {
	if _, err := os.Stat(root); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, runc, "--root", root, "list", "--quiet").Output()
	if err != nil {
		return fmt.Errorf("list the containers below %s: %w", root, err)
	}
	var problems []error
	for id := range strings.FieldsSeq(string(out)) {
		if out, err := exec.CommandContext(ctx, runc, "--root", root, "delete", "--force", id).CombinedOutput(); err != nil {
			problems = append(problems, fmt.Errorf("end container %s: %w: %s", id, err, out))
		}
	}
	return errors.Join(problems...)
}

// tail keeps the end of what a container says.
type tail struct {
	mu   sync.Mutex
	text []byte
}

var _ io.Writer = (*tail)(nil)

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-1024):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(strings.ToValidUTF8(string(t.text), "\uFFFD"))
}

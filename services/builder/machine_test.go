package builder_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/oci"
	"github.com/leeward-failover/leeward/pkg/processtest"
)

// need fails in CI, and skips on a laptop, when a real part is missing.
func need(t *testing.T, missing string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("missing: %s", missing)
	}
	t.Skipf("missing: %s", missing)
}

// program finds an installed program.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		need(t, name+" (tools/install.sh installs it)")
	}
	return path
}

// process is a child that can be killed and started again with the same arguments.
type process struct {
	t    *testing.T
	argv []string
	env  []string
	cmd  *exec.Cmd
	out  *processtest.Output
}

func start(t *testing.T, env []string, argv ...string) *process {
	t.Helper()
	p := &process{t: t, argv: argv, env: env, out: &processtest.Output{}}
	p.start()
	t.Cleanup(func() {
		p.stop(syscall.SIGTERM)
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(argv[0]), tail(p.out.String()))
		}
	})
	return p
}

func (p *process) start() {
	p.t.Helper()
	p.cmd = exec.Command(p.argv[0], p.argv[1:]...)
	p.cmd.Env = append(os.Environ(), p.env...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
}

// stop sends a signal and waits until the process is gone.
func (p *process) stop(signal syscall.Signal) {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Signal(signal)
		_ = p.cmd.Wait()
	}
}

func tail(s string) string { return s[max(0, len(s)-8<<10):] }

// freePort returns a loopback port that was free a moment ago.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// registry is a docker-registry process on a fixed port with its own folder.
type registry struct {
	*process
	url  string
	host string
}

func startRegistry(t *testing.T) *registry {
	t.Helper()
	dir := t.TempDir()
	host := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	file := filepath.Join(dir, "registry.yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s/data}, delete: {enabled: true}}\nhttp: {addr: %q}\n", dir, host)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &registry{url: "http://" + host, host: host}
	r.process = start(t, nil, program(t, "docker-registry"), "serve", file)
	r.ready()
	return r
}

func (r *registry) ready() {
	r.t.Helper()
	eventually(r.t, "registry "+r.url, func(ctx context.Context) error { return oci.Ping(ctx, r.url) })
}

// startBuildkitd starts a daemon of the test's own and returns it with its socket.
func startBuildkitd(t *testing.T) (*process, string) {
	t.Helper()
	if os.Geteuid() != 0 {
		need(t, "root, for buildkitd to mount with")
	}
	runc := program(t, "runc")
	dir := t.TempDir()
	socket := filepath.Join(dir, "sock")
	file := filepath.Join(dir, "buildkitd.toml")
	text := fmt.Sprintf("root = %q\n[grpc]\naddress = [\"unix://%s\"]\n[worker.containerd]\nenabled = false\n[worker.oci]\nenabled = true\nsnapshotter = \"overlayfs\"\nnetworkMode = \"host\"\nbinary = %q\n",
		filepath.Join(dir, "root"), socket, runc)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unmountBelow(dir) })
	p := start(t, nil, buildkitd(t), "--config", file)
	dialable(t, socket)
	return p, "unix://" + socket
}

func dialable(t *testing.T, socket string) {
	t.Helper()
	eventually(t, socket, func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

func buildkitd(t *testing.T) string {
	t.Helper()
	for _, path := range []string{os.Getenv("LEEWARD_TEST_BUILDKITD"), filepath.Join("..", "..", "bin", "buildkitd")} {
		if info, err := os.Stat(path); path != "" && err == nil && !info.IsDir() {
			return path
		}
	}
	return program(t, "buildkitd")
}

// unmountBelow takes away the mounts a killed daemon leaves.
func unmountBelow(dir string) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return
	}
	for _, line := range strings.Split(string(mounts), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && strings.HasPrefix(fields[1], dir+"/") {
			_ = syscall.Unmount(fields[1], syscall.MNT_DETACH)
		}
	}
}

// eventually asks until there is no error, for at most half a minute.
func eventually(t *testing.T, what string, ask func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		err := ask(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// answer asks a health endpoint.
func answer(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		var body bytes.Buffer
		_, _ = body.ReadFrom(response.Body)
		return errors.New(body.String())
	}
	return nil
}

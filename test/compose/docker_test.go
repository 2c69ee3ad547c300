package compose_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// docker is a dockerd of the test's own, with Debian's programs. It is the first process of process, mount and network namespaces of its own: when it is killed, or the test
// dies, the kernel ends everything in them, and their mounts and networks are gone.
type docker struct {
	dir    string
	daemon *exec.Cmd
	env    []string
	log    *bytes.Buffer
}

// cgroup is the parent of all its containers' control groups.
const cgroup = "leeward-compose"

// daemonScript starts dockerd where the namespaces are made. runc wants every control group hierarchy that the kernel has to be mounted, that of systemd too.
const daemonScript = `ip link set lo up
if grep -q :name=systemd: /proc/self/cgroup && [ ! -e /sys/fs/cgroup/systemd/cgroup.procs ]; then
  mkdir -p /sys/fs/cgroup/systemd && mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
fi
exec dockerd "$@"`

func startDocker(t *testing.T) *docker {
	t.Helper()
	for _, program := range []string{"dockerd", "docker", "docker-compose", "unshare"} {
		if _, err := lookPath(program); err != nil {
			t.Fatalf("%v: tools/install.sh --compose installs it", err)
		}
	}
	// A short path, because sockets are below it.
	dir, err := os.MkdirTemp("/var/tmp", "lw-docker-")
	if err != nil {
		t.Fatal(err)
	}
	d := &docker{dir: dir, log: &bytes.Buffer{}}
	d.env = append(os.Environ(), "PATH="+systemPath, "DOCKER_HOST=unix://"+d.socket(), "DOCKER_BUILDKIT=1", "COMPOSE_DOCKER_CLI_BUILD=1", "DOCKER_CONFIG="+filepath.Join(dir, "config"), "BUILDKIT_PROGRESS=plain", "COMPOSE_PROJECT_NAME=leeward",
		"COMPOSE_HTTP_TIMEOUT=180")
	// The machine's own dockerd, if it has one, is told other things.
	if err := os.WriteFile(filepath.Join(dir, "daemon.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.daemon = exec.Command("unshare", "--mount", "--propagation", "private", "--net", "--pid", "--mount-proc", "--fork", "--kill-child", "sh", "-c",
		daemonScript, "sh", "--host", "unix://"+d.socket(), "--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"),
		"--pidfile", filepath.Join(dir, "pid"), "--cgroup-parent", "/"+cgroup, "--storage-driver", "overlay2", "--log-level", "warn", "--config-file", filepath.Join(dir, "daemon.json"))
	d.daemon.Env = d.env
	d.daemon.Stdout, d.daemon.Stderr = d.log, d.log
	d.daemon.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := d.daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.stop(t) })
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		out, err := d.run(t.Context(), "docker", "version", "--format", "{{.Server.Version}}")
		if err == nil {
			t.Logf("dockerd %s", strings.TrimSpace(out))
			return d
		}
		if time.Now().After(deadline) {
			t.Fatalf("dockerd does not answer: %v\n%s", err, d.log)
		}
	}
}

func (d *docker) socket() string { return filepath.Join(d.dir, "sock") }

// stop ends everything and fails when something stays.
func (d *docker) stop(t *testing.T) {
	_ = d.daemon.Process.Kill()
	_ = d.daemon.Wait()
	var problems []error
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		problems = d.remains()
		if len(problems) == 0 || time.Now().After(deadline) {
			break
		}
	}
	if err := errors.Join(append(problems, os.RemoveAll(d.dir))...); err != nil {
		t.Errorf("left behind: %v", err)
	}
}

// remains removes the control groups, which go once their processes are gone, and says what is left.
func (d *docker) remains() []error {
	var problems []error
	groups, _ := filepath.Glob("/sys/fs/cgroup/*/" + cgroup)
	more, _ := filepath.Glob("/sys/fs/cgroup/" + cgroup)
	for _, group := range append(groups, more...) {
		var dirs []string
		_ = filepath.WalkDir(group, func(path string, e os.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for _, dir := range slices.Backward(dirs) {
			if err := os.Remove(dir); err != nil {
				problems = append(problems, err)
			}
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Contains(string(mounts), d.dir) {
		problems = append(problems, fmt.Errorf("mounts below %s: %w", d.dir, err))
	}
	return problems
}

// systemPath leaves out what people install beside Debian's programs.
const systemPath = "/usr/sbin:/usr/bin:/sbin:/bin"

func lookPath(program string) (string, error) {
	for _, dir := range strings.Split(systemPath, ":") {
		if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not in %s", program, systemPath)
}

func (d *docker) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	path, err := lookPath(program)
	if err != nil {
		path = program
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.Env = root, d.env
	return cmd
}

// run runs a program against this dockerd and returns its output.
func (d *docker) run(ctx context.Context, program string, args ...string) (string, error) {
	cmd := d.command(ctx, program, args...)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s%s", program, strings.Join(args, " "), err, tail(out), tail(problems.Bytes()))
	}
	return string(out), err
}

func tail(text []byte) []byte { return text[max(0, len(text)-4000):] }

// load makes an image of what write writes.
func (d *docker) load(ctx context.Context, name string, write func(io.Writer) error) error {
	r, w := io.Pipe()
	cmd := d.command(ctx, "docker", "import", "--change", "ENV PATH=/usr/local/go/bin:/usr/bin:/bin HOME=/root", "-", name)
	cmd.Stdin = r
	written := make(chan error, 1)
	go func() {
		err := write(w)
		_ = w.CloseWithError(err)
		written <- err
	}()
	out, err := cmd.CombinedOutput()
	_ = r.CloseWithError(errors.New("docker import ended"))
	if err := errors.Join(err, <-written); err != nil {
		return fmt.Errorf("image %s: %w: %s", name, err, out)
	}
	return nil
}

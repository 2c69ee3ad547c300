package world_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/test/world"
)

// program is a built world and where it keeps its state.
type program struct {
	path  string
	state world.State
}

// build builds the program, beside buildkitd, which it looks for there.
func build(t *testing.T) program {
	t.Helper()
	need(t, os.Geteuid() == 0, "root is needed for network namespaces")
	for _, name := range []string{"runc", "docker-registry", "haproxy", "prometheus", "prometheus-alertmanager", "unshare", "setpriv", "nsenter", "ip"} {
		_, err := exec.LookPath(name)
		need(t, err == nil, name+" is not installed (tools/install.sh)")
	}
	buildkitd, err := filepath.Abs("../../bin/buildkitd")
	if err != nil {
		t.Fatal(err)
	}
	_, err = os.Stat(buildkitd)
	need(t, err == nil, "bin/buildkitd is not built (tools/install.sh)")
	record, up := world.Up()
	need(t, !up, "a world is up, with its state in "+string(record.State))

	folder, err := os.MkdirTemp("", "lw") //nolint:usetesting // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	if err := os.Symlink(buildkitd, filepath.Join(folder, "buildkitd")); err != nil {
		t.Fatal(err)
	}
	p := program{path: filepath.Join(folder, "world"), state: world.State(filepath.Join(folder, "state"))}
	if out, err := exec.Command("go", "build", "-o", p.path, "../cmd/world").CombinedOutput(); err != nil {
		t.Fatalf("build world: %v: %s", err, out)
	}
	return p
}

// need skips a test that cannot run here, and fails it in CI, where everything must be there.
func need(t *testing.T, met bool, why string) {
	t.Helper()
	if met {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}

func (p program) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(p.path, args...).CombinedOutput()
	if err != nil {
		logs, _ := os.ReadFile(filepath.Join(p.state.Logs(), "world.log"))
		t.Fatalf("world %s: %v\n%s\n%s", strings.Join(args, " "), err, out, logs)
	}
	return string(out)
}

// up starts a world that the test's end takes down.
func (p program) up(t *testing.T, flags ...string) {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			p.logs(t)
		}
		p.run(t, "down")
	})
	t.Log("\n" + p.run(t, append([]string{"up", "--detach", "--state", string(p.state), "--nkey", p.seed()}, flags...)...))
}

// logs shows the end of what every process printed.
func (p program) logs(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(p.state.Logs(), "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s:\n%s", filepath.Base(file), text[max(0, len(text)-2000):])
	}
}

func (p program) seed() string {
	return filepath.Join(string(p.state), "keys", "runtime.nk")
}

func TestDownAfterSupervisorWasKilled(t *testing.T) {
	p := build(t)
	before := p.traces(t)
	p.up(t)
	record, _ := world.Up()
	family := processes(t, record.Process)
	supervisor, err := os.FindProcess(record.Process)
	if err != nil {
		t.Fatal(err)
	}
	if err := supervisor.Kill(); err != nil {
		t.Fatal(err)
	}
	family.gone(t)
	p.downLeaves(t, before)
}

func TestDownAfterHalfAnUp(t *testing.T) {
	p := build(t)
	before := p.traces(t)
	t.Cleanup(func() { p.run(t, "down") })
	cmd := exec.Command(p.path, "up", "--state", string(p.state), "--nkey", p.seed())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// The first step is done, the others are under way.
	if _, err := io.ReadFull(out, make([]byte, len("network"))); err != nil {
		t.Fatal(err)
	}
	record, up := world.Up()
	if !up {
		t.Fatal("no record of the world that comes up")
	}
	family := processes(t, record.Process)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	family.gone(t)
	p.downLeaves(t, before)
}

// downLeaves takes a world down and compares what is left with what was there before it.
func (p program) downLeaves(t *testing.T, before []string) {
	t.Helper()
	if len(p.traces(t)) <= len(before) {
		t.Error("a world that is up leaves no traces: the test looks in the wrong places")
	}
	p.run(t, "down")
	if diff := cmp.Diff(before, p.traces(t)); diff != "" {
		t.Errorf("after down (- before, + after):\n%s", diff)
	}
}

// traces lists what a world leaves on a machine: mounts, namespaces, devices, control groups and kernel settings.
func (p program) traces(t *testing.T) []string {
	t.Helper()
	var found []string
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	// Other tests mount things meanwhile; the world's mounts are below its state and the folder of namespaces.
	ours := regexp.MustCompile(`^(/run/netns(/lw-.*)?|/run/leeward.*|` + regexp.QuoteMeta(string(p.state)) + `.*)$`)
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 4 && ours.MatchString(fields[4]) {
			found = append(found, "mount "+fields[4])
		}
	}
	for _, pattern := range []string{"/run/netns/lw-*", "/run/leeward-world*", "/run/leeward/*", "/sys/class/net/lw-*", "/sys/fs/cgroup/leeward-world", "/sys/fs/cgroup/*/leeward-world"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, paths...)
	}
	for _, setting := range []string{"tcp_wmem", "tcp_slow_start_after_idle"} {
		value, err := os.ReadFile("/proc/sys/net/ipv4/" + setting)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, setting+" "+strings.TrimSpace(string(value)))
	}
	return found
}

// family are the processes of a process namespace, known by its inode.
type family string

func processes(t *testing.T, pid int) family {
	t.Helper()
	namespace, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
	if err != nil {
		t.Fatal(err)
	}
	if own, _ := os.Readlink("/proc/self/ns/pid"); own == namespace {
		t.Fatal("the supervisor is not in a process namespace of its own")
	}
	return family(namespace)
}

// gone waits until no process of the namespace is left. With the namespace, those nested in it end, too.
func (f family) gone(t *testing.T) {
	t.Helper()
	eventually(t, 10*time.Second, func() error {
		links, err := filepath.Glob("/proc/[0-9]*/ns/pid")
		if err != nil {
			return err
		}
		for _, link := range links {
			if namespace, err := os.Readlink(link); err == nil && namespace == string(f) {
				return fmt.Errorf("%s is still there", link)
			}
		}
		return nil
	})
}

// eventually tries until it works or the time is over.
func eventually(t *testing.T, within time.Duration, try func() error) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(within); ; {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		<-tick.C
	}
}

package prober_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/pkg/processtest"
	"github.com/leeward-failover/leeward/schemas"
)

// built is the prober as people run it.
func built(t *testing.T) string {
	t.Helper()
	folder := folderOf(t, os.Geteuid())
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(folder, "prober"), "./cmd/prober")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(folder, "prober")
}

// launched runs the built prober until the test ends.
func launched(t *testing.T, cmd *exec.Cmd, environment map[string]string) (pid int, log *processtest.Output) {
	t.Helper()
	log = &processtest.Output{}
	cmd.Stderr = log
	for name, value := range environment {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log)
		}
	})
	ready(t, environment)
	return cmd.Process.Pid, log
}

// rights are the fields of /proc/pid/status that say what a thread may do.
var rights = regexp.MustCompile(`(?m)^(CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs):\s*(\S+)$`)

// confined checks what a status says.
func confined(t *testing.T, what, status string, bound bool) {
	t.Helper()
	found := rights.FindAllStringSubmatch(status, -1)
	if len(found) != 6 {
		t.Fatalf("%s: %q", what, status)
	}
	for _, m := range found {
		want := "0000000000000000"
		switch {
		case m[1] == "NoNewPrivs":
			want = "1"
		case m[1] == "CapBnd" && !bound:
			continue
		}
		if m[2] != want {
			t.Errorf("%s: %s is %s, want %s", what, m[1], m[2], want)
		}
	}
}

// threads checks every thread of a process.
func threads(t *testing.T, pid int, bound bool) {
	t.Helper()
	all, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(all) < 3 {
		t.Fatalf("threads %v: %v", all, err)
	}
	for _, path := range all {
		if status, err := os.ReadFile(path); err == nil { // a thread may have ended
			confined(t, path, string(status), bound)
		}
	}
}

// checked writes a check of a user's own that leaves its status in a file.
func checked(t *testing.T) (folder, status string) {
	t.Helper()
	folder, status = t.TempDir(), filepath.Join(t.TempDir(), "status")
	script := fmt.Sprintf("#!/bin/sh\ncat /proc/self/status > %s.new && mv %s.new %s && echo '{\"ok\": true}'\n", status, status, status)
	if err := os.WriteFile(filepath.Join(folder, "rights"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return folder, status
}

// TestProberGivesUpItsRightsAndMeasuresOn runs the prober as root, which needs no right but that to open the sockets of ICMP, and what it starts none at all.
func TestProberGivesUpItsRightsAndMeasuresOn(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root")
		}
		t.Skip("needs root, to have rights to give up")
	}
	s := bustest.Start(t, "london")
	folder, status := checked(t)
	a := startApp(t)
	apply(t, s, topology(200*time.Millisecond, schemas.Endpoint{Variant: "single", ICMP: "127.0.0.1", HTTP: a.URL}, schemas.Endpoint{Variant: "slim", Exec: "rights"}))
	environment := settings(t, s, filepath.Join(t.TempDir(), "spool"))
	environment["LEEWARD_PROBE_CHECKS"], environment["PATH"] = folder, os.Getenv("PATH")
	pid, _ := launched(t, exec.Command(built(t)), environment)
	measured := map[schemas.Kind]bool{}
	stored(t.Context(), t, s.Connect(schemas.Recorder, ""), func(batches []*schemas.SampleBatch) bool {
		b := batches[len(batches)-1]
		for i := range b.Len() {
			if one := b.At(i); one.Outcome == schemas.OK {
				measured[one.Kind] = true
			} else {
				t.Errorf("%s ended as %s", one.Kind, one.Outcome)
			}
		}
		return len(measured) == 3
	})
	threads(t, pid, true)
	check, err := os.ReadFile(status)
	if err != nil {
		t.Fatal(err)
	}
	confined(t, "a check", string(check), true)
}

// TestProberWithoutTheRightToPingSaysSo runs the prober as an ordinary user, where nobody may open ping sockets.
func TestProberWithoutTheRightToPingSaysSo(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root")
		}
		t.Skip("needs root, to become an ordinary user")
	}
	if allowed, err := os.ReadFile("/proc/sys/net/ipv4/ping_group_range"); err != nil || strings.Fields(string(allowed))[0] != "1" {
		t.Skipf("ping sockets are allowed here: %s, %v", allowed, err)
	}
	s := bustest.Start(t, "london")
	a := startApp(t)
	apply(t, s, topology(200*time.Millisecond, schemas.Endpoint{Variant: "single", ICMP: "127.0.0.1", HTTP: a.URL}))
	const nobody = 65534
	environment := settings(t, s, folderOf(t, nobody))
	seed, err := os.ReadFile(environment["LEEWARD_NATS_SEED"])
	if err != nil {
		t.Fatal(err)
	}
	environment["LEEWARD_NATS_SEED"] = filepath.Join(folderOf(t, nobody), "seed")
	if err := os.WriteFile(environment["LEEWARD_NATS_SEED"], seed, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(built(t))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	pid, log := launched(t, cmd, environment)
	outcomes := map[schemas.Kind]schemas.Outcome{}
	stored(t.Context(), t, s.Connect(schemas.Recorder, ""), func(batches []*schemas.SampleBatch) bool {
		b := batches[len(batches)-1]
		for i := range b.Len() {
			outcomes[b.At(i).Kind] = b.At(i).Outcome
		}
		return len(outcomes) == 2
	})
	if outcomes[schemas.KindHTTP] != schemas.OK || outcomes[schemas.KindICMP] == schemas.OK {
		t.Errorf("outcomes %v", outcomes)
	}
	if said := log.String(); !strings.Contains(said, "ICMP is not measured") || !strings.Contains(said, "needs CAP_NET_RAW, or the group in net.ipv4.ping_group_range") {
		t.Errorf("it says %s", said)
	}
	threads(t, pid, false)
}

// folderOf is a folder of a user's, below none of another's.
func folderOf(t *testing.T, user int) string {
	t.Helper()
	folder, err := os.MkdirTemp("/tmp", "leeward-prober-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	if err := errors.Join(os.Chown(folder, user, user), os.Chmod(folder, 0o755)); err != nil {
		t.Fatal(err)
	}
	return folder
}

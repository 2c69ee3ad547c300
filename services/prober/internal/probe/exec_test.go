package probe_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/probe"
)

// checks is a kit that runs the scripts of a folder.
func checks(t testing.TB, scripts map[string]string) (k *probe.Kit, folder string) {
	t.Helper()
	folder = t.TempDir()
	for name, script := range scripts {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	k = kit(t)
	k.Checks.Folder, k.Checks.Path = folder, "/usr/bin:/bin"
	return k, folder
}

func TestExec(t *testing.T) {
	k, folder := checks(t, map[string]string{
		"ok":         `echo '{"ok": true}'`,
		"slow":       `sleep 0.05; echo '{"ok": true}'`,
		"timed":      `sleep 0.05; echo '{"ok": true, "latency_us": 1234, "more": [1]}'`,
		"boast":      `echo '{"ok": true, "latency_us": 3600000000}'`,
		"backwards":  `echo '{"ok": true, "latency_us": -1}'`,
		"not-ok":     `echo '{"ok": false, "error": "7 orders are stuck"}'; exit 1`,
		"mute":       `echo '{"ok": false}'`,
		"words":      `echo fine`,
		"no-ok":      `echo '{}'`,
		"two":        `echo '{"ok": true}{"ok": true}'`,
		"broken":     `echo "orders: no such host" >&2; echo more >&2; exit 3`,
		"contradict": `echo '{"ok": true}'; exit 3`,
		"chatty":     `yes | head -c 70000; echo '{"ok": true}'`,
		"arguments":  `[ "$*" = "--deep 3" ] && echo '{"ok": true}'`,
		"env":        `[ "$LEEWARD_APP/$LEEWARD_REGION/$LEEWARD_VARIANT/$LEEWARD_VANTAGE" = shop/tokyo/slim/london ] && [ -z "$LEEWARD_NATS_SEED$HOME" ] && echo '{"ok": true}'`,
		"input":      `read -r line || echo '{"ok": true}'`,
	})
	t.Setenv("LEEWARD_NATS_SEED", "/run/secrets/seed")
	if err := os.Mkdir(filepath.Join(folder, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "data"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for check, c := range map[string]struct {
		want schemas.Outcome
		says string
	}{
		"ok":                                  {schemas.OK, ""},
		"arguments  --deep 3":                 {schemas.OK, ""},
		"env":                                 {schemas.OK, ""},
		"input":                               {schemas.OK, ""},
		"not-ok":                              {schemas.BadStatus, "exec: 7 orders are stuck"},
		"mute":                                {schemas.BadStatus, "not ok, and not why"},
		"words":                               {schemas.OtherError, `did not print one JSON object such as {"ok": true}, but "fine\n"`},
		"no-ok":                               {schemas.OtherError, `but "{}\n"`},
		"two":                                 {schemas.OtherError, "one JSON object"},
		"broken":                              {schemas.OtherError, "exec: exit status 3: orders: no such host"},
		"contradict":                          {schemas.OtherError, "exec: exit status 3"},
		"chatty":                              {schemas.OtherError, "more than 65536 bytes"},
		"boast":                               {schemas.OtherError, "it tells a latency of 1h0m0s, and ran for"},
		"backwards":                           {schemas.OtherError, "it tells a latency of -1"},
		"gone":                                {schemas.OtherError, "no such file"},
		"folder":                              {schemas.OtherError, "is no file"},
		"data":                                {schemas.OtherError, "permission denied"},
		"../" + filepath.Base(folder) + "/ok": {schemas.OtherError, "does not begin with the name of a program"},
		filepath.Join(folder, "ok"):           {schemas.OtherError, "does not begin with the name of a program"},
	} {
		expectOf(t, k, checked(schemas.KindExec, check, schemas.HTTPCheck{}), c.want, c.says)
	}
	s := expectOf(t, k, checked(schemas.KindExec, "slow", schemas.HTTPCheck{}), schemas.OK, "")
	if s.LatencyUS < 50_000 {
		t.Errorf("%+v is shorter than the check", s)
	}
	expectWhole(t, s)
	s = expectOf(t, k, checked(schemas.KindExec, "timed", schemas.HTTPCheck{}), schemas.OK, "")
	if s.LatencyUS-s.LateUS != 1234 {
		t.Errorf("%+v does not have the latency that the check tells", s)
	}
}

func TestNothingRunsWithoutAFolderOfChecks(t *testing.T) {
	expectOf(t, kit(t), checked(schemas.KindExec, "ls", schemas.HTTPCheck{}), schemas.OtherError, "ls is not run: LEEWARD_PROBE_CHECKS names no folder of checks on this machine")
}

// TestCheckEndsWithAllThatItStartedWhenTimeIsOut has a check whose child would hold its output open for a minute.
func TestCheckEndsWithAllThatItStartedWhenTimeIsOut(t *testing.T) {
	k, folder := checks(t, map[string]string{"hang": `sleep 60 & echo $! > child; wait`, "leave": `sleep 60 & echo $! > child; echo '{"ok": true}'`})
	for check, c := range map[string]struct {
		want schemas.Outcome
		says string
	}{"hang": {schemas.TimedOut, "exec: no answer in 300ms"}, "leave": {schemas.OtherError, "WaitDelay expired"}} {
		of := checked(schemas.KindExec, check, schemas.HTTPCheck{})
		of.Timeout = timeout
		started := time.Now()
		if check == "leave" {
			of.Timeout = 10 * time.Second
		}
		expectOf(t, k, of, c.want, c.says)
		if took := time.Since(started); took > 5*time.Second {
			t.Errorf("%s took %s", check, took)
		}
		data, err := os.ReadFile(filepath.Join(folder, "child"))
		if err != nil {
			t.Fatal(err)
		}
		child, err := strconv.Atoi(strings.TrimSpace(string(data)))
		if err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(5 * time.Second); alive(child); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("what %s started lives on", check)
			}
		}
	}
}

// alive says whether a process runs; one that nobody has waited for does not.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return syscall.Kill(pid, 0) == nil && (err != nil || !strings.Contains(string(stat), ") Z "))
}

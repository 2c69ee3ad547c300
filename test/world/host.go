package world

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/leeward-failover/leeward/test/world/haproxy"
	"github.com/leeward-failover/leeward/test/world/netns"
	"github.com/leeward-failover/leeward/test/world/site"
)

// The record of the world that is up lies outside the state folder, because addresses and namespaces can exist once on
// a machine, and so that a world whose state folder was removed can still be taken down.
const (
	recordFolder = "/run/leeward-world"
	recordFile   = recordFolder + "/up.json"
)

// Record tells which world is up on this machine.
type Record struct {
	State   State `json:"state"`
	Process int   `json:"process"`
	// Started is the start time of the process in clock ticks since boot: a process number alone may be in use again.
	Started string `json:"started"`
}

// Up tells which world is up, if any.
func Up() (Record, bool) {
	var r Record
	text, err := os.ReadFile(recordFile)
	if err != nil || json.Unmarshal(text, &r) != nil {
		return Record{}, false
	}
	started, err := startTime(r.Process)
	return r, err == nil && started == r.Started
}

// Launch starts a supervisor with the given arguments of this program, copies its progress lines and returns once the
// world is up. With detach the world outlives this process; without, it dies with it.
func Launch(ctx context.Context, state State, detach bool, progress io.Writer, argv ...string) (*exec.Cmd, error) {
	if err := prepareHost(state); err != nil {
		return nil, err
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = reader.Close() }()
	defer func() { _ = writer.Close() }()
	log, err := os.OpenFile(filepath.Join(state.Logs(), "world.log"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{writer}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS, Setsid: true}
	if !detach {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the supervisor: %w", err)
	}
	_ = writer.Close()
	if err := writeRecord(state, cmd.Process.Pid); err != nil {
		return nil, errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })()
	lines := bufio.NewScanner(reader)
	for lines.Scan() {
		if lines.Text() == Ready {
			return cmd, nil
		}
		fmt.Fprintln(progress, lines.Text())
	}
	err = cmp.Or(cmd.Wait(), errors.New("too early"))
	text, _ := os.ReadFile(log.Name())
	said := strings.Split(strings.TrimSpace(string(text)), "\n")
	return nil, fmt.Errorf("the supervisor ended: %w; its last words: %s (all: %s)", err, said[len(said)-1], log.Name())
}

// Ready is the supervisor's last progress line.
const Ready = "ready"

// prepareHost makes what must exist outside the supervisor's namespaces, because others use it too.
func prepareHost(state State) error {
	if err := state.prepare(); err != nil {
		return err
	}
	if err := os.MkdirAll(recordFolder, 0o700); err != nil {
		return err
	}
	for _, region := range site.Regions {
		if err := netns.Add(region.Namespace); err != nil {
			return err
		}
		if err := netns.Do(region.Namespace, func() error { return tune(regionSettings) }); err != nil {
			return err
		}
	}
	return tuneEntry()
}

func writeRecord(state State, pid int) error {
	started, err := startTime(pid)
	if err != nil {
		return err
	}
	text, err := json.Marshal(Record{State: state, Process: pid, Started: started})
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(recordFile+".new", text, 0o600), os.Rename(recordFile+".new", recordFile))
}

// Down takes down the world that is up, whoever started it, and removes what a killed one left behind. It keeps the
// state folder's images, cache and database. Where there is nothing, it does nothing.
func Down(ctx context.Context) error {
	if r, up := Up(); up {
		if err := stop(ctx, r.Process); err != nil {
			return err
		}
	}
	errs := []error{removeCgroups()}
	for _, region := range site.Regions {
		errs = append(errs, netns.Delete(region.Namespace))
	}
	errs = append(errs, haproxy.RemoveSocket(), restoreEntry(), os.RemoveAll(recordFolder), goneWithin(ctx, site.Device, 5*time.Second))
	return errors.Join(errs...)
}

// stop ends the supervisor: well, or by force when that takes too long. With it go all its processes.
func stop(ctx context.Context, pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.PidfdSendSignal(fd, unix.SIGTERM, nil, 0); err != nil {
		return err
	}
	if endsWithin(ctx, fd, 15*time.Second) {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	if !endsWithin(ctx, fd, 10*time.Second) {
		return fmt.Errorf("process %d does not end", pid)
	}
	return nil
}

func endsWithin(ctx context.Context, pidfd int, wait time.Duration) bool {
	poll := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	for deadline := time.Now().Add(wait); time.Now().Before(deadline) && ctx.Err() == nil; {
		if n, err := unix.Poll(poll, 50); n > 0 && err == nil {
			return true
		}
	}
	return false
}

// goneWithin waits until the device of the entry is gone, which is a moment after its process.
func goneWithin(ctx context.Context, device string, wait time.Duration) error {
	path := "/sys/class/net/" + device
	for deadline := time.Now().Add(wait); ; {
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("device %s is still there", device)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// startTime reads field 22 of /proc/PID/stat; the second field, in brackets, may hold spaces. A process that has ended
// and was not waited for has none.
func startTime(pid int) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 20 || fields[0] == "Z" {
		return "", fmt.Errorf("process %d has ended", pid)
	}
	return fields[19], nil
}

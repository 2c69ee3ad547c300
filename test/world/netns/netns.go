// Package netns makes, enters and removes network namespaces. It leaves devices and addresses to others.
package netns

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

const folder = "/run/netns"

// Path is the file that stands for a namespace.
func Path(name string) string {
	return filepath.Join(folder, name)
}

// Add makes a namespace with its loopback device up. It does without "ip netns add", which mounts the folder of
// namespaces onto itself and leaves that behind.
func Add(name string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(Path(name), os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return fmt.Errorf("make namespace %s: %w", name, err)
	}
	if err := file.Close(); err != nil {
		return err
	}
	err = onOwnThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		return unix.Mount("/proc/thread-self/ns/net", Path(name), "", unix.MS_BIND, "")
	})
	if err != nil {
		return errors.Join(fmt.Errorf("make namespace %s: %w", name, err), os.Remove(Path(name)))
	}
	return ip("-netns", name, "link", "set", "lo", "up")
}

// Delete removes a namespace, kills what still runs in it, and does nothing where there is none.
func Delete(name string) error {
	if _, err := os.Stat(Path(name)); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	pids, err := Processes(name)
	if err != nil {
		return err
	}
	for _, pid := range pids {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("kill process %d of namespace %s: %w", pid, name, err)
		}
	}
	// A process killed between two commands leaves the file without the namespace mounted on it.
	unmounted := unix.Unmount(Path(name), unix.MNT_DETACH)
	if unmounted != nil && !errors.Is(unmounted, unix.EINVAL) {
		return fmt.Errorf("unmount namespace %s: %w", name, unmounted)
	}
	return os.Remove(Path(name))
}

// Processes lists the processes in a namespace.
func Processes(name string) ([]int, error) {
	var want unix.Stat_t
	if err := unix.Stat(Path(name), &want); err != nil {
		return nil, fmt.Errorf("namespace %s: %w", name, err)
	}
	entries, err := filepath.Glob("/proc/[0-9]*/ns/net")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, entry := range entries {
		var st unix.Stat_t
		if unix.Stat(entry, &st) != nil || st.Ino != want.Ino || st.Dev != want.Dev {
			continue
		}
		var pid int
		if _, err := fmt.Sscanf(entry, "/proc/%d/", &pid); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// Do runs f with its thread in a namespace ("" is the machine's own) and waits for it. Sockets that f opens belong to
// the namespace for as long as they live; goroutines that f starts do not run in it.
func Do(name string, f func() error) error {
	if name == "" {
		return f()
	}
	return onOwnThread(func() error { return within(name, f) })
}

// onOwnThread runs f on a thread that nothing else runs on, before or after.
func onOwnThread(f func() error) error {
	done := make(chan error)
	go onThread(f, done)
	return <-done
}

func onThread(f func() error, done chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// The main thread cannot end, and its namespace is what others see as the process's: hold it and use another.
		defer runtime.UnlockOSThread()
		other := make(chan error)
		go onThread(f, other)
		done <- <-other
		return
	}
	// The thread is never unlocked: it ends with the goroutine.
	done <- f()
}

func within(name string, f func() error) error {
	fd, err := unix.Open(Path(name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open namespace %s: %w", name, err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter namespace %s: %w", name, err)
	}
	return f()
}

// Command is exec.Command inside a namespace ("" is the machine's own). Unlike "ip netns exec" it leaves /sys as it is,
// which container runtimes need.
func Command(name string, argv ...string) *exec.Cmd {
	if name != "" {
		argv = append([]string{"nsenter", "--net=" + Path(name)}, argv...)
	}
	return exec.Command(argv[0], argv[1:]...)
}

func ip(args ...string) error {
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/leeward-failover/leeward/pkg/chembed"
	"github.com/leeward-failover/leeward/test/demo"
)

// loopback starts leeward in a folder where an ordinary user gets simulated regions without asking, runs the demo and stops it again.
func loopback(ctx context.Context, folder string) (report demo.Report, err error) {
	leeward, err := beside("leeward")
	if err != nil {
		return report, err
	}
	run := func(ctx context.Context, args ...string) error {
		cmd := exec.CommandContext(ctx, leeward, args...)
		cmd.Dir = filepath.Dir(folder) // no leeward.yaml is there
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		return cmd.Run()
	}
	defer func() {
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 40*time.Second)
		defer cancel()
		if err != nil {
			tails(filepath.Join(folder, "log"))
		}
		err = errors.Join(err, run(stopping, "down", "--state", folder))
	}()
	if err := run(ctx, "up", "--detach", "--state", folder); err != nil {
		return report, fmt.Errorf("leeward up: %w", err)
	}
	return demo.Run(ctx, demo.Options{
		API: "http://127.0.0.1:8080", Entry: "http://127.0.0.1:8000", Bus: "127.0.0.1:4222", Topology: filepath.Join(folder, "leeward.yaml"), Leeward: folder,
		World: []string{leeward, "loopback", "--state", folder}, Simulated: true, Progress: os.Stderr,
	})
}

// beside is a program in the folder of this one.
func beside(name string) (string, error) {
	self, err := os.Executable()
	return filepath.Join(filepath.Dir(self), name), err
}

// tails shows how each log ends.
func tails(folder string) {
	logs, _ := filepath.Glob(filepath.Join(folder, "*.log"))
	for _, log := range logs {
		text, _ := os.ReadFile(log)
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		fmt.Fprintf(os.Stderr, "== %s\n%s\n", filepath.Base(log), strings.Join(lines[max(0, len(lines)-5):], "\n"))
	}
}

// dropRoot runs this program's loopback demo as the user nobody, in a folder of its own that is gone afterwards. Programs are copied there,
// because an ordinary user may not be let into the checkout; the engine's library is linked where that is possible, and never fetched twice.
func dropRoot(ctx context.Context, limit time.Duration) error {
	nobody, err := user.Lookup("nobody")
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(nobody.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(nobody.Gid)
	if err != nil {
		return err
	}
	home, err := os.MkdirTemp("", "leeward-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(home) }()
	if err := errors.Join(os.Chmod(home, 0o700), os.Chown(home, uid, gid)); err != nil {
		return err
	}
	for _, name := range []string{"demo", "leeward"} {
		program, err := beside(name)
		if err != nil {
			return err
		}
		if err := copyFile(program, filepath.Join(home, name)); err != nil {
			return err
		}
	}
	library, err := chembed.Locate(ctx, chembed.Source{File: os.Getenv("LEEWARD_LIBCHDB"), Progress: os.Stderr})
	if err != nil {
		return err
	}
	own := filepath.Join(home, "libchdb.so")
	if info, err := os.Stat(library); err != nil || info.Mode().Perm()&0o005 != 0o005 || os.Link(library, own) != nil {
		if err := copyFile(library, own); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, filepath.Join(home, "demo"), "--loopback", "--state", filepath.Join(home, "state"), "--limit", limit.String())
	cmd.Dir = home
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home, "LEEWARD_LIBCHDB=" + own}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	return cmd.Run()
}

// copyFile makes a copy that everyone may read and run.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Chmod(0o755), out.Close())
}

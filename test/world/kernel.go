package world

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Send buffers of 32 MB fill the longest link, and a connection that was idle starts as fast as it stopped. Anyone may
// send a ping in a region, so a prober needs no privilege for it.
var regionSettings = map[string]string{
	"net/ipv4/tcp_wmem":                  "4096 65536 33554432",
	"net/ipv4/tcp_rmem":                  "4096 131072 33554432",
	"net/ipv4/tcp_slow_start_after_idle": "0",
	"net/ipv4/ping_group_range":          "0 2147483647",
}

// The entry is the machine's own namespace: what is set there is put back by Down.
var entrySettings = map[string]string{
	"net/ipv4/tcp_wmem":                  "4096 65536 33554432",
	"net/ipv4/tcp_slow_start_after_idle": "0",
}

const savedSettings = recordFolder + "/settings.json"

func tune(settings map[string]string) error {
	for name, value := range settings {
		if err := os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return nil
}

// tuneEntry sets the machine's own namespace and remembers what was there.
func tuneEntry() error {
	saved := map[string]string{}
	for name := range entrySettings {
		value, err := os.ReadFile(filepath.Join("/proc/sys", name))
		if err != nil {
			return err
		}
		saved[name] = strings.TrimSpace(string(value))
	}
	text, err := json.Marshal(saved)
	if err != nil {
		return err
	}
	if err := os.WriteFile(savedSettings, text, 0o600); err != nil {
		return err
	}
	return tune(entrySettings)
}

func restoreEntry() error {
	text, err := os.ReadFile(savedSettings)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	saved := map[string]string{}
	if err := json.Unmarshal(text, &saved); err != nil {
		return fmt.Errorf("read %s: %w", savedSettings, err)
	}
	return tune(saved)
}

// cgroups lists the world's folders in every hierarchy, innermost first. A machine has one hierarchy (version 2), one
// per controller (version 1), or both.
func cgroups() []string {
	var found []string
	for _, pattern := range []string{"/sys/fs/cgroup/" + Cgroup, "/sys/fs/cgroup/*/" + Cgroup} {
		roots, _ := filepath.Glob(pattern)
		for _, root := range roots {
			_ = filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
				if err == nil && entry.IsDir() {
					found = append(found, path)
				}
				return nil
			})
		}
	}
	slices.Reverse(found)
	return found
}

// removeCgroups removes the folders, which are empty of processes by now.
func removeCgroups() error {
	var errs []error
	for _, path := range cgroups() {
		if err := unix.Rmdir(path); err != nil && !errors.Is(err, unix.ENOENT) {
			errs = append(errs, fmt.Errorf("remove control group %s: %w", path, err))
		}
	}
	return errors.Join(errs...)
}

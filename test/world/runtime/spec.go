package runtime

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/leeward-failover/leeward/test/world/site"
)

const (
	memoryLimit  = 256 << 20
	processLimit = 128
	nobody       = 65532
)

// spec describes the container: the network of its region, a file system it cannot write to but for /tmp, no root and
// no privileges.
func (r Runtime) spec(id string, image image) (*specs.Spec, error) {
	uid, gid, err := numericUser(image.config.User, filepath.Join(r.bundle(id), "rootfs"))
	if err != nil {
		return nil, err
	}
	args := append(append([]string(nil), image.config.Entrypoint...), image.config.Cmd...)
	if len(args) == 0 {
		return nil, fmt.Errorf("the image of %s names no command", id)
	}
	cwd := image.config.WorkingDir
	if cwd == "" {
		cwd = "/"
	}
	memory, processes := int64(memoryLimit), int64(processLimit)
	return &specs.Spec{
		Version:  "1.0.2",
		Hostname: id,
		Root:     &specs.Root{Path: "rootfs", Readonly: true},
		Process: &specs.Process{
			User:            specs.User{UID: uid, GID: gid},
			Args:            args,
			Cwd:             cwd,
			Env:             append(append([]string(nil), image.config.Env...), r.env(image)...),
			Capabilities:    &specs.LinuxCapabilities{},
			NoNewPrivileges: true,
		},
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc"},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=64k"}},
			{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev", "mode=1777", "size=16m"}},
		},
		Linux: &specs.Linux{
			CgroupsPath: "/" + r.Cgroup + "/" + id,
			Resources: &specs.LinuxResources{
				Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}},
				Memory:  &specs.LinuxMemory{Limit: &memory},
				Pids:    &specs.LinuxPids{Limit: &processes},
			},
			Namespaces:    []specs.LinuxNamespace{{Type: specs.PIDNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace}, {Type: specs.MountNamespace}},
			MaskedPaths:   []string{"/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/sched_debug", "/proc/scsi"},
			ReadonlyPaths: []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
		},
	}, nil
}

// env is what the app is told of where it runs.
func (r Runtime) env(i image) []string {
	port := cmp.Or(r.Port, site.Ports[i.variant])
	return []string{
		"HOST=" + r.Region.Addr().String(),
		"PORT=" + strconv.Itoa(port),
		"LEEWARD_REGION=" + r.Region.Name,
		"LEEWARD_VARIANT=" + i.variant,
		"LEEWARD_IMAGE=" + i.digest,
		"DATABASE_URL=" + r.DatabaseURL,
		"DATABASE_READ_URL=" + r.DatabaseReadURL,
	}
}

// numericUser turns the image's user into numbers, by the image's own list of users. Root, and nobody in particular,
// become a user that owns nothing.
func numericUser(user, rootfs string) (uid, gid uint32, err error) {
	name, group, _ := strings.Cut(user, ":")
	if n, err := strconv.ParseUint(name, 10, 32); err == nil && n > 0 {
		g, err := strconv.ParseUint(group, 10, 32)
		if err != nil {
			g = n
		}
		return uint32(n), uint32(g), nil
	}
	if name == "" || name == "0" || name == "root" {
		return nobody, nobody, nil
	}
	root, err := os.OpenRoot(rootfs)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = root.Close() }()
	file, err := root.Open("etc/passwd")
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = file.Close() }()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Split(lines.Text(), ":")
		if len(fields) < 4 || fields[0] != name {
			continue
		}
		u, uidErr := strconv.ParseUint(fields[2], 10, 32)
		g, gidErr := strconv.ParseUint(fields[3], 10, 32)
		if uidErr != nil || gidErr != nil || u == 0 {
			break
		}
		return uint32(u), uint32(g), nil
	}
	return 0, 0, fmt.Errorf("the image's user %q is not an ordinary user in its /etc/passwd", name)
}

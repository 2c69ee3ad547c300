// Package buildkit runs buildkitd with runc, in the machine's own network, for the builder service.
package buildkit

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"text/template"

	"github.com/leeward-failover/leeward/pkg/supervise"
	"github.com/leeward-failover/leeward/test/world/site"
)

// Config describes a build daemon.
type Config struct {
	// Program is the buildkitd binary.
	Program string
	// Folder holds its cache.
	Folder string
	// Socket is where it listens.
	Socket string
	// Cgroup is the parent of its builds' control groups.
	Cgroup string
}

var config = template.Must(template.New("buildkitd").Parse(`root = "{{.Folder}}/root"

[grpc]
  address = ["unix://{{.Socket}}"]

[worker.containerd]
  enabled = false

[worker.oci]
  enabled = true
  snapshotter = "overlayfs"
  networkMode = "host"
  binary = "{{.Runc}}"
  defaultCgroupParent = "{{.Cgroup}}"
  max-parallelism = 4
  gc = true
  maxUsedSpace = "8GB"
{{range .Registries}}
[registry."{{.}}"]
  http = true
{{end -}}
`))

// Prepare writes the configuration and returns the process.
func Prepare(c Config) (supervise.Process, error) {
	runc, err := exec.LookPath("runc")
	if err != nil {
		return supervise.Process{}, err
	}
	registries := []string{site.HubRegistry}
	for _, region := range site.Regions {
		registries = append(registries, region.Registry())
	}
	var text bytes.Buffer
	err = config.Execute(&text, map[string]any{"Folder": c.Folder, "Socket": c.Socket, "Cgroup": c.Cgroup, "Runc": runc, "Registries": registries})
	if err != nil {
		return supervise.Process{}, err
	}
	if err := os.MkdirAll(c.Folder, 0o700); err != nil {
		return supervise.Process{}, err
	}
	path := filepath.Join(c.Folder, "buildkitd.toml")
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		return supervise.Process{}, err
	}
	return supervise.Process{
		Name: "buildkitd",
		Argv: []string{c.Program, "--config", path},
		Ready: func(ctx context.Context) error {
			conn, err := new(net.Dialer).DialContext(ctx, "unix", c.Socket)
			if err != nil {
				return err
			}
			return conn.Close()
		},
	}, nil
}

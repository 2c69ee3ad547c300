package monitor

import (
	"path/filepath"

	"github.com/leeward-failover/leeward/pkg/supervise"
	"github.com/leeward-failover/leeward/test/world/confine"
	"github.com/leeward-failover/leeward/test/world/site"
)

// Alertmanager lays out a folder for Alertmanager and returns its process.
func Alertmanager(c Config) (supervise.Process, error) {
	folder := filepath.Join(c.Folder, "alertmanager")
	for name, file := range map[string]string{"alertmanager.yml": filepath.Join(c.Deploy, "alertmanager", "alertmanager.yml"), "hook-alertmanager-secret": c.Secret} {
		if err := link(file, filepath.Join(folder, name)); err != nil {
			return supervise.Process{}, err
		}
	}
	return supervise.Process{
		Name: "alertmanager",
		Argv: confine.Powerless("prometheus-alertmanager", "--config.file="+filepath.Join(folder, "alertmanager.yml"), "--storage.path="+filepath.Join(folder, "data"),
			"--web.listen-address="+site.Alertmanager, "--cluster.listen-address="),
		Ready: ready(site.Alertmanager),
	}, nil
}

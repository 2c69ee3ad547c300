package monitor

import (
	"bytes"
	"os"
	"path/filepath"
	"text/template"

	"github.com/leeward-failover/leeward/pkg/supervise"
	"github.com/leeward-failover/leeward/test/world/confine"
	"github.com/leeward-failover/leeward/test/world/site"
)

// targets are where `make up` has the services listen; a region's prober is in the region's network.
var targets = template.Must(template.New("targets").Parse(`
- {targets: ["127.0.0.1:9101"], labels: {service: gateway}}
- {targets: ["127.0.0.1:9102"], labels: {service: builder}}
- {targets: ["127.0.0.1:9104"], labels: {service: recorder}}
- {targets: ["127.0.0.1:9105"], labels: {service: ranker}}
- {targets: ["127.0.0.1:9106"], labels: {service: failover-actuator}}
- {targets: ["127.0.0.1:9114"], labels: {service: prober, vantage: {{.Entry.Name}}}}
{{- range .Regions}}
- {targets: ["{{.Addr}}:9110"], labels: {service: prober, vantage: {{.Name}}}}
{{- end}}
`))

// Prometheus lays out a folder for Prometheus and returns its process.
func Prometheus(c Config) (supervise.Process, error) {
	folder := filepath.Join(c.Folder, "prometheus")
	for _, name := range []string{"prometheus.yml", "rules"} {
		if err := link(filepath.Join(c.Deploy, "prometheus", name), filepath.Join(folder, name)); err != nil {
			return supervise.Process{}, err
		}
	}
	var text bytes.Buffer
	if err := targets.Execute(&text, map[string]any{"Entry": site.Entry, "Regions": site.Regions}); err != nil {
		return supervise.Process{}, err
	}
	if err := os.MkdirAll(filepath.Join(folder, "targets"), 0o700); err != nil {
		return supervise.Process{}, err
	}
	if err := os.WriteFile(filepath.Join(folder, "targets", "leeward.yml"), text.Bytes(), 0o600); err != nil {
		return supervise.Process{}, err
	}
	return supervise.Process{
		Name: "prometheus",
		Argv: confine.Powerless("prometheus", "--config.file="+filepath.Join(folder, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(folder, "data"),
			"--storage.tsdb.retention.time=6h", "--web.listen-address="+site.Prometheus,
			// An Alertmanager that comes up while an alert fires hears of it this much later.
			"--rules.alert.resend-delay=5s"),
		Ready: ready(site.Prometheus),
	}, nil
}

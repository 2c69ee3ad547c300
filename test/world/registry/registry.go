// Package registry runs Debian's docker-registry for one site. Images stay in its folder when it stops.
package registry

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"text/template"

	"github.com/leeward-failover/leeward/pkg/supervise"
	"github.com/leeward-failover/leeward/test/world/confine"
	"github.com/leeward-failover/leeward/test/world/netns"
	"github.com/leeward-failover/leeward/test/world/site"
)

const (
	username = "docker-registry"
	home     = "/var/lib/docker-registry"
)

// Config describes a registry.
type Config struct {
	// Site is where it runs.
	Site site.Site
	// Folder holds its configuration and its images.
	Folder string
	// Hook, if set, is sent every push.
	Hook *Hook
}

// Hook is where notifications go.
type Hook struct {
	URL    string
	Bearer string
}

// Pulls are not sent, nor are the pushes of blobs: one push of an image is one notification. The registry sends one at
// a time and tries again every second until it is answered with a 2xx or 3xx.
var config = template.Must(template.New("registry").Parse(`version: 0.1
log:
  level: warn
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: /var/lib/docker-registry/data
  cache:
    blobdescriptor: inmemory
  delete:
    enabled: true
http:
  addr: {{.Site.Registry}}
  secret: one-registry-needs-no-shared-secret
{{- with .Hook}}
notifications:
  endpoints:
    - name: leeward
      url: {{.URL}}
      headers:
        Authorization: ["Bearer {{.Bearer}}"]
      timeout: 5s
      threshold: 1
      backoff: 1s
      ignoredmediatypes: [application/octet-stream]
      ignore:
        actions: [pull]
{{- end}}
`))

// Prepare writes the registry's files and returns its process.
func Prepare(c Config) (supervise.Process, error) {
	for _, folder := range []string{c.Folder, filepath.Join(c.Folder, "data")} {
		if err := confine.Folder(username, folder); err != nil {
			return supervise.Process{}, err
		}
	}
	var text bytes.Buffer
	if err := config.Execute(&text, c); err != nil {
		return supervise.Process{}, err
	}
	path := filepath.Join(c.Folder, "config.yml")
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		return supervise.Process{}, err
	}
	if err := confine.Own(username, path); err != nil {
		return supervise.Process{}, err
	}
	argv := confine.Confined(username, c.Folder, home, "docker-registry", "serve", filepath.Join(home, "config.yml"))
	return supervise.Process{
		Name: "registry-" + c.Site.Name,
		Argv: netns.Command(c.Site.Namespace, argv...).Args,
		// From the entry, so over the network.
		Ready: func(ctx context.Context) error { return answers(ctx, c.Site.Registry()) },
	}, nil
}

func answers(ctx context.Context, host string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/v2/", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("registry %s answered %s", host, resp.Status)
	}
	return nil
}

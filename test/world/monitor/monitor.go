// Package monitor runs Debian's Prometheus and Alertmanager at the entry, with the files of deploy/ themselves: only which processes to scrape is the world's own.
// They wait for nobody: what they scrape and what they tell may come and go.
package monitor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/leeward-failover/leeward/test/world/site"
)

// Config says where the files are.
type Config struct {
	// Folder holds what the two keep.
	Folder string
	// Deploy is the folder deploy/ of the checkout.
	Deploy string
	// Secret is the file with the bearer token of Leeward's webhook for alerts. It need not be there yet.
	Secret string
}

// link makes name a link to a file, whatever it was before. Both programs look for further files beside the name they were given.
func link(file, name string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Symlink(file, name)
}

// ready asks whether a program can do its work.
func ready(host string) func(context.Context) error {
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/-/ready", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", host, resp.Status)
		}
		return nil
	}
}

// Where says what runs at which address.
func Where() string {
	return fmt.Sprintf("prometheus http://%s, alertmanager http://%s", site.Prometheus, site.Alertmanager)
}

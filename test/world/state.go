package world

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/leeward-failover/leeward/test/world/site"
)

// State is the folder that holds all that a world keeps: what may be lost (logs, sockets) and what makes the next one
// start faster (images, the build cache, the database). It may be removed while no world is up.
type State string

// maxSocketPath is what the kernel allows a unix socket's path to have.
const maxSocketPath = 107

// Logs holds one file per process.
func (s State) Logs() string { return s.path("log") }

// Secrets holds files that only root reads, made when they are missing.
func (s State) Secrets() string { return s.path("secrets") }

// HookToken is the file with the bearer token of the hub registry's notifications.
func (s State) HookToken() string { return s.path("secrets", "registry-hook-token") }

// ShopPassword is the file with the password of the app's database role.
func (s State) ShopPassword() string { return s.path("secrets", "shop-password") }

// ShopURL is the file with the app's whole connection string for the database of a region.
func (s State) ShopURL(region string) string { return s.path("secrets", "shop-url-"+region) }

// ProbePassword is the file with the password of the probers' database role.
func (s State) ProbePassword() string { return s.path("secrets", "probe-password") }

// ProbeURL is the file with the probers' whole connection string for the database of a region.
func (s State) ProbeURL(region string) string { return s.path("secrets", "probe-url-"+region) }

// ReplicaPassword is the file with the password under which replicas follow the primary.
func (s State) ReplicaPassword() string { return s.path("secrets", "replica-password") }

// Postgres is the folder of a region's database.
func (s State) Postgres(region string) string { return s.path("postgres", region) }

// WANSocket takes commands for the network.
func (s State) WANSocket() string { return s.path("wan.sock") }

// BuildkitSocket is where buildkitd listens.
func (s State) BuildkitSocket() string { return s.path("buildkitd.sock") }

// Status is the file in which the supervisor says how its processes fare.
func (s State) Status() string { return s.path("status.json") }

// Registry is the folder of a site's registry.
func (s State) Registry(site string) string { return s.path("registry", site) }

// BaseImages keeps the packages and layers that base images are made from, for all worlds of a user.
func BaseImages() (string, error) {
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, "leeward", "baseimage"), err
}

func (s State) path(parts ...string) string {
	return filepath.Join(append([]string{string(s)}, parts...)...)
}

// prepare makes the folders and the secrets.
func (s State) prepare() error {
	for _, region := range site.Regions {
		if n := len(filepath.Join(s.Postgres(region.Name), ".s.PGSQL.5432")); n > maxSocketPath {
			return fmt.Errorf("the path of the state folder is %d bytes too long for the sockets in it: %s", n-maxSocketPath, s)
		}
	}
	for _, folder := range []string{s.Logs(), s.Secrets(), s.path("registry")} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
	}
	for _, file := range []string{s.HookToken(), s.ShopPassword(), s.ProbePassword(), s.ReplicaPassword()} {
		if err := makeSecret(file); err != nil {
			return err
		}
	}
	var errs []error
	for _, region := range site.Regions {
		errs = append(errs, s.writeURL(s.ShopURL(region.Name), region, "shop", s.ShopPassword()),
			s.writeURL(s.ProbeURL(region.Name), region, "leeward_probe", s.ProbePassword()))
	}
	return errors.Join(errs...)
}

// writeURL writes the connection string of a database role in a region.
func (s State) writeURL(file string, region site.Site, role, passwordFile string) error {
	password, err := ReadSecret(passwordFile)
	if err != nil {
		return err
	}
	url := url.URL{Scheme: "postgres", User: url.UserPassword(role, password), Host: region.Postgres(), Path: "shop", RawQuery: "sslmode=disable"}
	return os.WriteFile(file, []byte(url.String()+"\n"), 0o600)
}

func makeSecret(file string) error {
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	secret := make([]byte, 24)
	rand.Read(secret)
	// Renamed into place, so that a crash leaves no half secret.
	if err := os.WriteFile(file+".new", []byte(hex.EncodeToString(secret)+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// ReadSecret reads a secret file.
func ReadSecret(file string) (string, error) {
	text, err := os.ReadFile(file)
	return strings.TrimSpace(string(text)), err
}

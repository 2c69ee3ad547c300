package natsd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/leeward-failover/leeward/schemas"
)

// file is the server's configuration. JSON is one of the forms that its configuration may have.
type file struct {
	ServerName    string        `json:"server_name"`
	Listen        string        `json:"listen"`
	HTTP          string        `json:"http"`
	MaxPayload    int           `json:"max_payload"`
	PingInterval  string        `json:"ping_interval"`
	PingMax       int           `json:"ping_max"`
	JetStream     jetStream     `json:"jetstream"`
	Authorization authorization `json:"authorization"`
}

type jetStream struct {
	StoreDir     string `json:"store_dir"`
	SyncInterval string `json:"sync_interval"`
}

type authorization struct {
	Users []user `json:"users"`
}

type user struct {
	Nkey        string      `json:"nkey"`
	Connections []string    `json:"connection_types,omitempty"`
	Permissions permissions `json:"permissions"`
}

type permissions struct {
	Publish   allow `json:"publish"`
	Subscribe allow `json:"subscribe"`
}

type allow struct {
	Allow []string `json:"allow"`
}

// Config returns a configuration file for nats-server that says what Start would do, with every user of the permission table. It holds public keys only, and makes
// the seeds that are missing. The server's health is at port 8222 of loopback.
func (o Options) Config() ([]byte, error) {
	users, err := o.users()
	if err != nil {
		return nil, err
	}
	f := file{
		ServerName: "leeward", Listen: o.Addr, HTTP: "127.0.0.1:8222", MaxPayload: maxPayload, PingInterval: pingInterval.String(), PingMax: pingMax,
		JetStream: jetStream{StoreDir: o.Store, SyncInterval: "always"},
	}
	f.Authorization = authorizationOf(users)
	var text bytes.Buffer
	// The server reads no escapes, and > ends most of the subjects.
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err = e.Encode(f)
	return text.Bytes(), err
}

func authorizationOf(users []*server.NkeyUser) authorization {
	var a authorization
	for _, u := range users {
		a.Users = append(a.Users, user{u.Nkey, slices.Sorted(maps.Keys(u.AllowedConnectionTypes)), permissions{allow{u.Permissions.Publish.Allow}, allow{u.Permissions.Subscribe.Allow}}})
	}
	return a
}

// WriteConfig writes the configuration file, whole or not at all.
func (o Options) WriteConfig(path string) error {
	text, err := o.Config()
	if err != nil {
		return err
	}
	next := path + ".new"
	if err := os.WriteFile(next, text, 0o644); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// ShareKeys lets a group read every user's seed: for services that run as another user than the one who makes the seeds.
func ShareKeys(keys string, vantages []string, group int) error {
	names := make([]string, 0, len(services)+len(vantages))
	for _, s := range services {
		names = append(names, schemas.UserName(s, ""))
	}
	for _, v := range vantages {
		names = append(names, schemas.UserName(schemas.Prober, v))
	}
	for _, name := range names {
		path := SeedFile(keys, name)
		if err := os.Chown(path, -1, group); err != nil {
			return fmt.Errorf("share %s with group %d (needs root or a member of it): %w", filepath.Base(path), group, err)
		}
		if err := os.Chmod(path, 0o640); err != nil {
			return err
		}
	}
	return nil
}

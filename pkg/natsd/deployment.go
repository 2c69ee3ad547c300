package natsd

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/schemas"
)

// Deployment is a hub of several servers and a leaf in each of some regions, as deploy/nats sets them up.
type Deployment struct {
	// Keys is the folder of the seeds; missing ones are made, as is the password by which the hub's servers know each other.
	Keys string
	Hub  []Node
	// Vantages are all there are. Their probers may connect to the hub, too, so that a region can be given a leaf later.
	Vantages []string
	Leaves   []Leaf
}

// Node is where one of the hub's servers listens for the others and for leaves, host:port each.
type Node struct{ Routes, Leaves string }

// Leaf is a region's own server.
type Leaf struct {
	// Domain is its JetStream domain: the region's name.
	Domain   string
	Vantages []string
}

// Write writes the files that deploy/nats/hub.conf and leaf.conf include: users.json and routes.json for the hub below dir/hub, and users.json and remote.json for each leaf
// below a folder of its domain's name. routes.json and remote.json hold secrets and can be read by who writes them only.
func (d Deployment) Write(dir string) error {
	var problems []error
	for _, l := range d.Leaves {
		if !schemas.ValidName(l.Domain) || l.Domain == schemas.HubDomain {
			problems = append(problems, fmt.Errorf("leaf %q: not a region's name, or the hub's", l.Domain))
		}
		if len(l.Vantages) == 0 {
			problems = append(problems, fmt.Errorf("leaf %s: no vantage is in that region", l.Domain))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	if err := d.writeHub(filepath.Join(dir, "hub")); err != nil {
		return err
	}
	for _, l := range d.Leaves {
		if err := d.writeLeaf(l, filepath.Join(dir, l.Domain)); err != nil {
			return err
		}
	}
	return nil
}

func (d Deployment) writeHub(dir string) error {
	users, err := Options{Keys: d.Keys, Vantages: d.Vantages}.users()
	if err != nil {
		return err
	}
	for _, l := range d.Leaves {
		leaf, err := userOf(d.Keys, schemas.LeafName(l.Domain), schemas.PermitLeaf(l.Domain, l.Vantages))
		if err != nil {
			return err
		}
		// What a leaf is allowed would be of little worth to others: it is for its server alone.
		leaf.AllowedConnectionTypes = map[string]struct{}{connectionOfLeaf: {}}
		users = append(users, leaf)
	}
	password, err := secret(filepath.Join(d.Keys, "hub.password"))
	if err != nil {
		return err
	}
	type routes struct {
		Authorization struct {
			User     string `json:"user"`
			Password string `json:"password"`
		} `json:"authorization"`
		Routes []string `json:"routes"`
	}
	var r routes
	r.Authorization.User, r.Authorization.Password = schemas.HubDomain, password
	for _, n := range d.Hub {
		r.Routes = append(r.Routes, "nats-route://"+schemas.HubDomain+":"+password+"@"+n.Routes)
	}
	return errors.Join(
		writeJSON(filepath.Join(dir, "users.json"), 0o644, struct {
			Authorization authorization `json:"authorization"`
		}{authorizationOf(users)}),
		writeJSON(filepath.Join(dir, "routes.json"), 0o600, r))
}

// connectionOfLeaf is the server's name for connections of leaves.
const connectionOfLeaf = "LEAFNODE"

func (d Deployment) writeLeaf(l Leaf, dir string) error {
	setup, err := userOf(d.Keys, string(schemas.Setup), schemas.Permit(schemas.Setup, ""))
	if err != nil {
		return err
	}
	users := []*server.NkeyUser{setup}
	for _, v := range l.Vantages {
		prober, err := userOf(d.Keys, schemas.UserName(schemas.Prober, v), schemas.PermitAtLeaf(v))
		if err != nil {
			return err
		}
		users = append(users, prober)
	}
	seed, err := os.ReadFile(SeedFile(d.Keys, schemas.LeafName(l.Domain)))
	if err != nil {
		return err
	}
	type remote struct {
		URLs []string `json:"urls"`
		Nkey string   `json:"nkey"`
	}
	r := remote{Nkey: string(bytes.TrimSpace(seed))}
	for _, n := range d.Hub {
		r.URLs = append(r.URLs, "nats-leaf://"+n.Leaves)
	}
	return errors.Join(
		writeJSON(filepath.Join(dir, "users.json"), 0o644, struct {
			// leaf.conf names its domain by this one.
			Region        string        `json:"region"`
			Authorization authorization `json:"authorization"`
		}{l.Domain, authorizationOf(users)}),
		writeJSON(filepath.Join(dir, "remote.json"), 0o600, r))
}

// secret reads a file of one, after making it when it is not there. It begins with a letter, because the server takes what begins with a digit for a number.
func secret(path string) (string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		text = []byte("p" + rand.Text())
		err = os.WriteFile(path, text, 0o600)
	}
	return string(bytes.TrimSpace(text)), err
}

func writeJSON(path string, mode os.FileMode, v any) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	var text bytes.Buffer
	// The server reads no escapes, and > ends most of the subjects.
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	next := path + ".new"
	if err := os.WriteFile(next, text.Bytes(), mode); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// RunFile runs a server from a configuration file until ctx ends, as nats-server does.
func RunFile(ctx context.Context, path string, log zerolog.Logger) error {
	options, err := server.ProcessConfigFile(path)
	if err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	options.NoSigs = true
	s, err := server.NewServer(options)
	if err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	s.SetLogger(logger{log}, false, false)
	s.Start()
	if !s.ReadyForConnections(20 * time.Second) {
		s.Shutdown()
		return errors.New("bus: not ready after 20 s; are its addresses free?")
	}
	log.Info().Str("address", s.Addr().String()).Msg("bus served")
	<-ctx.Done()
	s.Shutdown()
	s.WaitForShutdown()
	return ctx.Err()
}

package natsd_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/filelock"
	"github.com/leeward-failover/leeward/pkg/natsd"
	"github.com/leeward-failover/leeward/schemas"
)

// fromFile runs a server as nats-server would, from the configuration file alone.
func fromFile(t *testing.T, o natsd.Options) *server.Server {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nats.conf")
	if err := o.WriteConfig(path); err != nil {
		t.Fatal(err)
	}
	options, err := server.ProcessConfigFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !options.SyncAlways {
		t.Error("the file does not say sync_interval: always")
	}
	options.Port, options.HTTPPort, options.NoSigs = server.RANDOM_PORT, server.RANDOM_PORT, true
	s, err := server.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server is not ready")
	}
	return s
}

func options(t *testing.T) natsd.Options {
	return natsd.Options{Addr: "127.0.0.1:4222", Store: t.TempDir(), Keys: t.TempDir(), Vantages: []string{"madrid"}, Log: zerolog.Nop()}
}

func TestSecondServerOnAStoreIsToldWhy(t *testing.T) {
	o := options(t)
	o.Addr = "127.0.0.1:0"
	if _, err := o.Config(); err != nil { // the seeds, which two would make at once
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	for range 2 {
		g.Go(func() error { return natsd.Run(ctx, o) })
	}
	// The one that is refused ends the other.
	if err := g.Wait(); !errors.Is(err, filelock.ErrHeld) || !strings.Contains(err.Error(), o.Store) {
		t.Errorf("two servers on one store: %v", err)
	}
}

func TestServerFromTheFileHoldsThePermissionTable(t *testing.T) {
	o := options(t)
	s := fromFile(t, o)
	setup, err := bus.Connect(bus.Options{URL: s.ClientURL(), Seed: natsd.SeedFile(o.Keys, "setup"), Service: schemas.Setup, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer setup.Close()
	if err := setup.Create(t.Context(), o.Vantages); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		user, subject string
		allowed       bool
	}{
		{"prober-madrid", schemas.SampleSubject("madrid"), true},
		{"prober-madrid", schemas.SampleSubject("tokyo"), false},
		{"prober-madrid", "$KV.routes.shop", false},
		{"failover-actuator", "$KV.routes.shop", true},
		{"recorder", "leeward.image.pushed.v1.x", false},
	} {
		nkey, err := nats.NkeyOptionFromSeed(natsd.SeedFile(o.Keys, c.user))
		if err != nil {
			t.Fatal(err)
		}
		conn, err := nats.Connect(s.ClientURL(), nkey, nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
		if err != nil {
			t.Fatalf("%s: %v", c.user, err)
		}
		if err := conn.Publish(c.subject, []byte("x")); err != nil {
			t.Fatal(err)
		}
		// The server answers in order: a refusal comes before the flush does.
		if err := conn.Flush(); err != nil {
			t.Fatal(err)
		}
		got := !errors.Is(conn.LastError(), nats.ErrPermissionViolation)
		conn.Close()
		if got != c.allowed {
			t.Errorf("%s may publish to %s: %t, want %t", c.user, c.subject, got, c.allowed)
		}
	}
}

func TestKeysStayAndAUsersOwnFolderHoldsItsSeed(t *testing.T) {
	o := options(t)
	if err := os.Mkdir(filepath.Join(o.Keys, "gateway"), 0o700); err != nil {
		t.Fatal(err)
	}
	first, err := o.Config()
	if err != nil {
		t.Fatal(err)
	}
	o.Vantages = append(o.Vantages, "tokyo")
	second, err := o.Config()
	if err != nil {
		t.Fatal(err)
	}
	keys := func(text []byte) []string {
		var found []string
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, `"nkey"`) {
				found = append(found, line)
			}
		}
		return found
	}
	if diff := cmp.Diff(keys(first), keys(second)[:len(keys(first))]); diff != "" {
		t.Errorf("the users' keys changed:\n%s", diff)
	}
	if len(keys(second)) != len(keys(first))+1 {
		t.Errorf("%d users, want one more than %d", len(keys(second)), len(keys(first)))
	}
	if _, err := os.Stat(filepath.Join(o.Keys, "gateway", "nkey")); err != nil {
		t.Error(err)
	}
	if err := natsd.ShareKeys(o.Keys, o.Vantages, os.Getgid()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"gateway/nkey", "recorder.nk", "prober-tokyo.nk"} {
		info, err := os.Stat(filepath.Join(o.Keys, name))
		if err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("%s: %v %v, want mode 640", name, info, err)
		}
		seed, _ := os.ReadFile(filepath.Join(o.Keys, name))
		if len(seed) == 0 || slices.Contains(keys(second), string(seed)) || strings.Contains(string(second), string(seed)) {
			t.Errorf("%s: the seed is in the server's file", name)
		}
	}
}

func TestLeavesAreRegionsWithVantages(t *testing.T) {
	d := natsd.Deployment{Keys: t.TempDir(), Leaves: []natsd.Leaf{{Domain: schemas.HubDomain, Vantages: []string{"a"}}, {Domain: "tokyo"}, {Domain: "a.b", Vantages: []string{"a"}}}}
	err := d.Write(t.TempDir())
	for _, want := range []string{`leaf "hub"`, "leaf tokyo: no vantage", `leaf "a.b"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

func TestWhoReadsADeploymentsFilesLearnsOfNoSecretButItsOwn(t *testing.T) {
	keys, out := t.TempDir(), t.TempDir()
	d := natsd.Deployment{
		Keys: keys, Hub: []natsd.Node{{Routes: "nats-1:6222", Leaves: "nats-1:7422"}}, Vantages: []string{"madrid", "tokyo", "osaka"},
		Leaves: []natsd.Leaf{{Domain: "tokyo", Vantages: []string{"tokyo", "osaka"}}, {Domain: "spain", Vantages: []string{"madrid"}}},
	}
	for range 2 { // the second time nothing is made anew
		if err := d.Write(out); err != nil {
			t.Fatal(err)
		}
	}
	secrets := map[string]string{"hub/routes.json": "hub.password", "tokyo/remote.json": "leaf-tokyo.nk", "spain/remote.json": "leaf-spain.nk"}
	for _, name := range []string{"hub/users.json", "hub/routes.json", "tokyo/users.json", "tokyo/remote.json", "spain/users.json", "spain/remote.json"} {
		text, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		files, err := os.ReadDir(keys)
		if err != nil || len(files) < 12 {
			t.Fatalf("%d keys, %v", len(files), err)
		}
		for _, f := range files {
			secret, err := os.ReadFile(filepath.Join(keys, f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			if holds := strings.Contains(string(text), strings.TrimSpace(string(secret))); holds != (secrets[name] == f.Name()) {
				t.Errorf("%s holds the secret of %s: %t", name, f.Name(), holds)
			}
		}
		info, err := os.Stat(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := info.Mode().Perm(), os.FileMode(map[bool]int{true: 0o600, false: 0o644}[secrets[name] != ""]); got != want {
			t.Errorf("%s: mode %o, want %o", name, got, want)
		}
	}
}

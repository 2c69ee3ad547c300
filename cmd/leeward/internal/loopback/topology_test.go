package loopback_test

import (
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/leeward-failover/leeward/cmd/leeward/internal/loopback"
	"github.com/leeward-failover/leeward/pkg/config"
	"github.com/leeward-failover/leeward/schemas"
)

// folder is short enough for a socket's path.
func folder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "lw") //nolint:usetesting // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}

func TestTopologyIsOfTheSimulatedPlaces(t *testing.T) {
	state := folder(t)
	file, err := loopback.WriteTopology(state)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	topology, err := config.Parse(file, data)
	if err != nil {
		t.Fatal(err)
	}
	app, ok := topology.App("shop")
	if !ok || app.Built() || app.Targets[0].HAProxy.Socket != loopback.Socket(state) {
		t.Errorf("app %+v", app)
	}
	const ports = loopback.Ports(loopback.FirstPort)
	var endpoints []schemas.Candidate
	for _, region := range loopback.Regions() {
		if _, ok := topology.Region(string(region)); !ok {
			t.Errorf("%s is no region of the topology", region)
		}
		for _, variant := range loopback.Variants {
			c := schemas.Candidate{Region: string(region), Variant: variant}
			endpoints = append(endpoints, c)
			e, _ := app.Endpoint(c)
			at := ports.App(region, variant).String()
			if e.TCP != at || e.HTTP != "http://"+at+"/healthz" || e.ICMP != "" {
				t.Errorf("%s is reached at %+v, want %s", c, e, at)
			}
			if s := app.Targets[0].HAProxy.Servers[len(endpoints)-1]; s.Server != c.Region+"-"+c.Variant {
				t.Errorf("%s is served by %s", c, s.Server)
			}
		}
	}
	if len(endpoints) != len(app.Endpoints) {
		t.Errorf("%d endpoints, want %d", len(app.Endpoints), len(endpoints))
	}
	places := append([]loopback.Site{loopback.Entry}, loopback.Regions()...)
	for _, v := range topology.Vantages {
		if _, err := loopback.Place(v.Name); err != nil {
			t.Error(err)
		}
		for _, a := range v.Anchors {
			address := netip.MustParseAddrPort(a)
			if !slices.ContainsFunc(places, func(s loopback.Site) bool { return ports.Anchor(s) == address }) {
				t.Errorf("anchor %s of %s is nowhere", a, v.Name)
			}
		}
	}
}

func TestHAProxyTakesItsConfiguration(t *testing.T) {
	state := folder(t)
	entry, err := loopback.PrepareEntry(state, loopback.FirstPort)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	if out, err := exec.CommandContext(t.Context(), entry.Argv[0], "-c", "-f", filepath.Join(state, "haproxy.cfg")).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	long := filepath.Join(state, strings.Repeat("x", 100))
	if _, err := loopback.PrepareEntry(long, loopback.FirstPort); err == nil || !strings.Contains(err.Error(), "choose a shorter --state") {
		t.Errorf("a path that is too long: %v", err)
	}
}

func TestControlCutsAndHeals(t *testing.T) {
	network, err := loopback.NewNetwork()
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(folder(t), "loopback.sock")
	if err := os.WriteFile(socket, nil, 0o600); err != nil { // what a killed one left
		t.Fatal(err)
	}
	go func() { _ = network.Control(t.Context(), socket) }()
	links := ""
	for links == "" {
		links, _ = loopback.Ask(t.Context(), socket, http.MethodGet, "links")
	}
	if !strings.Contains(links, `{"from":"frankfurt","to":"london","rtt_ms":13,"cut":false}`) {
		t.Errorf("links %s", links)
	}
	if _, err := loopback.Ask(t.Context(), socket, http.MethodPost, "cut/london"); err != nil {
		t.Error(err)
	}
	if links, err := loopback.Ask(t.Context(), socket, http.MethodGet, "links"); err != nil || !strings.Contains(links, `{"from":"frankfurt","to":"london","rtt_ms":13,"cut":true}`) {
		t.Errorf("links %s, %v", links, err)
	}
	if _, err := loopback.Ask(t.Context(), socket, http.MethodPost, "cut/paris"); err == nil || !strings.Contains(err.Error(), `"paris" is not a simulated region`) {
		t.Errorf("cut paris: %v", err)
	}
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket %v, %v: others could cut", info, err)
	}
}

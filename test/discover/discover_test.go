// Package discover_test runs a gateway that discovers and a prober that measures what it finds, on a real bus, with real sources.
package discover_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/config"
	"github.com/leeward-failover/leeward/schemas"
)

// around is the leeward.yaml that the page's snippets are a part of.
const around = `version: 1
regions:
  - {name: frankfurt, location: {latitude: 50.11, longitude: 8.68}, jurisdiction: DE}
  - {name: tokyo, location: {latitude: 35.68, longitude: 139.69}, jurisdiction: JP}
vantages: [{name: london}]
apps:
  - name: shop
    start: {region: frankfurt, variant: slim}
    variants: [{name: slim}]
    failover: {verify: {url: "https://shop.example"}}
    probe: {interval: 200ms, timeout: 150ms}
`

// shop is an app that answers and counts.
type shop struct {
	*httptest.Server
	asked atomic.Int64
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { s.asked.Add(1) }))
	t.Cleanup(s.Close)
	return s
}

func (s *shop) address() string { return strings.TrimPrefix(s.URL, "http://") }
func (s *shop) port() string    { return s.address()[strings.LastIndex(s.address(), ":")+1:] }

// samples reads what was measured until enough says so.
func (w world) samples(enough func(schemas.Sample) bool) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 30*time.Second)
	defer cancel()
	reading, stop := context.WithCancel(ctx)
	defer stop()
	err := w.bus.Connect(schemas.Recorder, "").Tail(reading, schemas.Samples, 1, nil, func(m bus.Message) error {
		b, err := schemas.DecodeSampleBatch(m.Subject, m.Data)
		if err != nil {
			return err
		}
		for i := range b.Len() {
			if enough(b.At(i)) {
				stop()
			}
		}
		return nil
	})
	if ctx.Err() != nil || reading.Err() == nil {
		w.Fatalf("reading samples: %v", err)
	}
}

// TestProberFollowsASourceAndMissesNoProbeOfTheRest moves one region of two to another address, by the file that names both.
func TestProberFollowsASourceAndMissesNoProbeOfTheRest(t *testing.T) {
	w := newWorld(t, nil)
	frankfurt, before, after := newShop(t), newShop(t), newShop(t)
	file := filepath.Join(t.TempDir(), "shop.json")
	names := func(tokyo *shop) {
		write(t, file, fmt.Sprintf(`[{"targets": [%q], "labels": {"leeward_region": "frankfurt"}}, {"targets": [%q], "labels": {"leeward_region": "tokyo"}}]`, frankfurt.address(), tokyo.address()))
	}
	names(before)
	w.apply(around + fmt.Sprintf("    discover: [{name: file, file: %q, interval: 1s, endpoint: {http: \"http://{address}\"}}]\n", file))
	w.await("requests to the first", func() bool { return frankfurt.asked.Load() > 3 && before.asked.Load() > 3 })
	names(after)
	w.await("requests to the new one", func() bool { return after.asked.Load() > 0 })
	moved := before.asked.Load()
	until := time.Now().Add(2 * time.Second).UnixMicro()
	due := map[string][]int64{}
	w.samples(func(s schemas.Sample) bool {
		if s.Outcome != schemas.OK {
			t.Errorf("%s: %s", s.Region, s.Outcome)
		}
		due[s.Region] = append(due[s.Region], s.DueUS)
		return s.DueUS > until
	})
	for i, at := range due["frankfurt"][1:] {
		if gap := at - due["frankfurt"][i]; gap != (200 * time.Millisecond).Microseconds() {
			t.Errorf("%d µs between two probes of the region that did not move, want 200000", gap)
		}
	}
	if n := before.asked.Load(); n > moved+1 {
		t.Errorf("the address that is named no more got %d more requests", n-moved)
	}
}

var fenced = regexp.MustCompile("(?s)```(yaml|json)\n(.*?)```")

// TestPageIsTrue has each source that the page tells of name two regions, by servers of this machine that stand for those of the page, and sees both measured.
// A cluster of Kubernetes does not run here: its stand-in speaks what the API's reference documents.
func TestPageIsTrue(t *testing.T) {
	page, err := os.ReadFile("../../docs/how-to/discover.md")
	if err != nil {
		t.Fatal(err)
	}
	frankfurt, tokyo := newShop(t), newShop(t)
	here := strings.NewReplacer("shop.frankfurt.example:8080", frankfurt.address(), "shop.tokyo.example:8080", tokyo.address())
	list := ""
	var snippets []string
	for _, m := range fenced.FindAllStringSubmatch(string(page), -1) {
		switch {
		case m[1] == "json":
			list = here.Replace(m[2])
		case strings.HasPrefix(m[2], "    discover:"):
			snippets = append(snippets, m[2])
		}
	}
	if len(snippets) != 4 || list == "" {
		t.Fatalf("%d snippets, and the list %q", len(snippets), list)
	}
	folder := t.TempDir()
	file, token := filepath.Join(folder, "shop.json"), filepath.Join(folder, "token")
	write(t, file, list)
	write(t, token, "s3cret\n")
	targets, ca := web(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(list)) })
	cluster := func(region *shop) (address, ca string) {
		return web(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/apis/discovery.k8s.io/v1/namespaces/web/endpointslices" || r.URL.Query().Get("labelSelector") != "kubernetes.io/service-name=shop" {
				http.NotFound(w, r)
				return
			}
			_, _ = fmt.Fprintf(w, `{"kind": "EndpointSliceList", "apiVersion": "discovery.k8s.io/v1", "metadata": {"resourceVersion": "1"}, "items": [{"metadata": {"name": "shop-1"}, "addressType": "IPv4",
				"endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": true}}], "ports": [{"name": "http", "protocol": "TCP", "port": %s}]}]}`, region.port())
		})
	}
	own, ownCA := cluster(frankfurt)
	other, otherCA := cluster(tokyo)
	server := named(t, "shop.example", fmt.Sprintf("_http._tcp.frankfurt IN SRV 0 0 %s localhost.\n_http._tcp.tokyo IN SRV 0 0 %s localhost.\n", frankfurt.port(), tokyo.port()))
	standIns := strings.NewReplacer("/etc/leeward/shop.json", file, "https://targets.example", targets, "/etc/leeward/targets-ca.pem", ca, "10.0.0.53:53", server,
		"kubernetes: {", fmt.Sprintf("kubernetes: {url: %q, token: %q, ca: %q, ", own, "file:"+token, ownCA), "https://10.0.0.10:6443", other, "/run/secrets/tokyo-token", token, "/run/secrets/tokyo-ca.pem", otherCA)
	w := newWorld(t, map[string]string{"TARGETS_TOKEN": "s3cret"})
	for i, snippet := range snippets {
		app := fmt.Sprintf("shop-%d", i)
		if _, err := config.Parse("leeward.yaml", []byte(around+snippet)); err != nil {
			t.Fatal(err)
		}
		w.apply(strings.Replace(around, "name: shop\n", "name: "+app+"\n", 1) + standIns.Replace(snippet))
		var measured []string
		w.samples(func(s schemas.Sample) bool {
			if s.App == app && s.Kind == schemas.KindHTTP && s.Outcome == schemas.OK && !slices.Contains(measured, s.Region) {
				measured = append(measured, s.Region)
			}
			return len(measured) == 2
		})
	}
}

package probe_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/leeward-failover/leeward/pkg/config"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/probe"
	"github.com/leeward-failover/leeward/services/prober/internal/target"
)

// around is the leeward.yaml that the pages' snippets are a part of.
const around = `version: 1
regions:
  - {name: frankfurt, location: {latitude: 50.11, longitude: 8.68}, jurisdiction: DE, registry: "http://registry.frankfurt.example:5000"}
  - {name: tokyo, location: {latitude: 35.68, longitude: 139.69}, jurisdiction: JP, registry: "http://registry.tokyo.example:5000"}
vantages: [{name: london}]
apps:
  - name: shop
    start: {region: frankfurt, variant: slim}
    source: {context: shop}
    images: {registry: "http://registry.frankfurt.example:5000", repository: shop}
    variants: [{name: slim}]
    failover: {verify: {url: "https://shop.example"}}
`

var (
	fenced  = regexp.MustCompile("(?s)```(yaml|sh)\n(.*?)```")
	tryIt   = regexp.MustCompile("(?m)^Try it: `(?:[A-Z_]+=\\S+ )?leeward probe once (\\S+) '?(.*?)'?`$")
	outcome = regexp.MustCompile("(?m)^\\| (`[a-z`, ]+`) \\|")
)

// TestPagesAreTrue measures what the pages about probes tell to write, at servers of this machine that stand for those of the pages.
func TestPagesAreTrue(t *testing.T) {
	here := standIns(t)
	measured := map[schemas.Kind]bool{}
	for _, kind := range []string{"icmp", "tcp", "tls", "http", "dns", "grpc", "registry", "exec"} {
		t.Run(kind, func(t *testing.T) {
			if kind == "icmp" {
				privileged(t)
			}
			text, err := os.ReadFile("../../../../docs/how-to/probe-" + kind + ".md")
			if err != nil {
				t.Fatal(err)
			}
			k, snippets := kitOf(t, here, string(text))
			if len(snippets) == 0 || !tryIt.Match(text) {
				t.Error("the page shows nothing to write, or nothing to try")
			}
			for _, s := range snippets {
				for _, of := range targetsOf(t, here, s) {
					expectOf(t, k, of, schemas.OK, "")
					measured[of.Kind] = true
				}
			}
			for _, m := range tryIt.FindAllSubmatch(text, -1) {
				tried, ok := schemas.ParseKind(string(m[1]))
				result := k.Measure(context.Background(), target.Target{Kind: tried, Address: here.Replace(string(m[2])), Timeout: 2 * time.Second}, time.Now())
				if !ok || result.Err != nil {
					t.Errorf("%s: %v", m[0], result.Err)
				}
			}
			for _, m := range outcome.FindAllSubmatch(text, -1) {
				for name := range strings.SplitSeq(string(m[1]), ", ") {
					if !isOutcome(strings.Trim(name, "`")) {
						t.Errorf("%s is no outcome", name)
					}
				}
			}
		})
	}
	for _, kind := range []schemas.Kind{schemas.KindTCP, schemas.KindTLS, schemas.KindTLSResumed, schemas.KindHTTP, schemas.KindHTTPKept, schemas.KindDNS, schemas.KindGRPC, schemas.KindRegistry, schemas.KindExec} {
		if !measured[kind] {
			t.Errorf("no page measures %s", kind)
		}
	}
}

func isOutcome(name string) bool {
	for o := schemas.OK; o <= schemas.OtherError; o++ {
		if o.String() == name {
			return true
		}
	}
	return false
}

// standIns starts the servers that the pages name, and tells where they are.
func standIns(t *testing.T) *strings.Replacer {
	t.Helper()
	shop := serveTLS(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/start" {
			http.Redirect(w, r, "/healthz", http.StatusFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"status": "up"}`))
	})
	cart := health.NewServer()
	cart.SetServingStatus("shop.v1.Cart", healthpb.HealthCheckResponse_SERVING)
	images := serveRegistry(t, serve)
	images.push(t, "shop", "slim-0123456789ab")
	return strings.NewReplacer(
		"https://shop.frankfurt.example", shop.URL,
		"shop.frankfurt.example:8080", serve(t, says("ok")).host(),
		"shop.frankfurt.example:50051", serveGRPC(t, cart),
		"shop.frankfurt.example", "127.0.0.1",
		"mail.frankfurt.example:993", secured(t, nil),
		"ns.frankfurt.example", startNamed(t),
		"http://registry.frankfurt.example:5000", images.URL,
		"http://orders.$LEEWARD_REGION.example:9000", serve(t, says("59")).URL,
	)
}

// kitOf is a kit that runs the page's scripts as checks of the name queue, and the page's snippets.
func kitOf(t *testing.T, here *strings.Replacer, text string) (*probe.Kit, []string) {
	t.Helper()
	k := kit(t)
	k.Checks.Folder, k.Checks.Path = t.TempDir(), "/usr/bin:/bin"
	var snippets []string
	for _, m := range fenced.FindAllStringSubmatch(text, -1) {
		if m[1] == "yaml" {
			snippets = append(snippets, m[2])
		} else if err := os.WriteFile(filepath.Join(k.Checks.Folder, "queue"), []byte(here.Replace(m[2])), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return k, snippets
}

// targetsOf reads a snippet as it stands in the page, and what is measured with the servers of this machine in it.
func targetsOf(t *testing.T, here *strings.Replacer, snippet string) []target.Target {
	t.Helper()
	if _, err := config.Parse("leeward.yaml", []byte(around+snippet)); err != nil {
		t.Fatalf("%v in\n%s", err, snippet)
	}
	topology, err := config.Parse("leeward.yaml", []byte(here.Replace(around+snippet)))
	if err != nil {
		t.Fatalf("%v in\n%s", err, snippet)
	}
	var all []target.Target
	for _, c := range target.Cells(topology) {
		for _, of := range c.Targets {
			of.Timeout = 2 * time.Second
			all = append(all, of)
		}
	}
	return all
}

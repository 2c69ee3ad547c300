package config_test

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/leeward-failover/leeward/pkg/config"
)

func example(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../../examples/leeward.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestExampleIsValidAndItsHashIsStable(t *testing.T) {
	one, err := config.Parse("leeward.yaml", []byte(example(t)))
	if err != nil {
		t.Fatal(err)
	}
	two, err := config.Parse("other.yaml", []byte("# a comment\n"+example(t)))
	if err != nil {
		t.Fatal(err)
	}
	if one.Hash() != two.Hash() {
		t.Errorf("a comment changed the hash from %s to %s", one.Hash(), two.Hash())
	}
}

func TestEveryProblemIsReportedWithItsPlace(t *testing.T) {
	for name, c := range map[string]struct {
		old, new string
		want     []string
	}{
		"broken YAML":     {"regions:\n", "regions: [\n", []string{"not YAML"}},
		"unknown field":   {"    team: storefront\n", "    taem: storefront\n", []string{`unknown field "taem" in apps[0] (did you mean "team"?)`}},
		"literal secret":  {` database: "env:SHOP_FRANKFURT_DATABASE_URL"`, ` database: "postgres://u:hunter2@db/shop"`, []string{"apps[0].endpoints[0].database: holds a literal secret, not a reference"}},
		"bad duration":    {"interval: 1s", "interval: soon", []string{`"soon" is not a duration`}},
		"wrong shape":     {"    mode: auto\n", "    mode: [auto]\n", []string{"apps[0].mode is a list, not a single value"}},
		"no such region":  {"start: {region: frankfurt", "start: {region: paris", []string{"paris/slim has no endpoint"}},
		"own repository":  {"repository: base/node", "repository: shop", []string{"each build would start another"}},
		"duplicate field": {"    mode: auto\n", "    mode: auto\n    mode: observe\n", []string{""}},
		"two at once":     {"version: 1\n", "version: 7\ncolour: red\n", []string{`unknown field "colour"`}},
		"second document": {"vantages:\n", "---\nvantages:\n", []string{"second document"}},
		"empty value":     {"    mode: auto\n", "    mode:\n", []string{"apps[0].mode has no value"}},
		"URL with secret": {"registry: http://10.88.1.1:5000", "registry: http://me:pw@10.88.1.1:5000", []string{"regions[0].registry: holds a secret"}},
		"missing server":  {"            - {region: tokyo, variant: slim, server: tokyo-slim}\n", "", []string{"no server stands for tokyo/slim"}},
		"literal primary": {`primary_database: "env:SHOP_FRANKFURT_DATABASE_URL"`, `primary_database: "postgres://u:hunter2@db/shop"`, []string{"apps[0].primary_database: holds a literal secret, not a reference"}},
		"RPO of nothing":  {`    primary_database: "env:SHOP_FRANKFURT_DATABASE_URL"` + "\n", "", []string{"apps[0].gates.rpo: there is no primary database to be behind (name the app's primary_database"}},
		"RPO too short":   {"rpo: 2s", "rpo: 1999ms", []string{"apps[0].gates.rpo: 1.999s is shorter than two probe intervals, 2s"}},
		"also no kind":    {"interval: 1s", "interval: 1s, also: [db_fresh, db_stale]", []string{`apps[0].probe.also[1]: "db_stale" is not known (one of http_kept, tls, tls_resumed, registry, db_fresh)`}},
		"RPO below zero":  {"rpo: 2s", "rpo: -1s", []string{"apps[0].gates.rpo: -1s is shorter"}},
		"two databases":   {`"env:SHOP_LONDON_DATABASE_URL"`, `"env:OTHER"`, []string{"is not the database that another endpoint of london names"}},
		"half of a build": {"      context: examples/shop\n", "", []string{
			"apps[0].source.watch: is given, but source.context, what to build, is missing (give source.context, or leave out source, images and every target",
			"apps[0].source.args: is given", "apps[0].images: is given", "apps[0].variants[0].target: is given", "apps[0].variants[1].target: is given",
		}},
		"no home registry": {`    images: {registry: "http://10.88.0.1:5000", repository: shop}` + "\n", "", []string{"apps[0].images.registry: ", "apps[0].images.repository: is missing"}},
		"no registry":      {"    registry: http://10.88.1.1:5000\n", "", []string{"regions[0].registry: is missing (built images are copied there)"}},
		"socket injection": {"server: tokyo-slim}", "server: \"tokyo; shutdown\"}", []string{"is not a server name"}},
	} {
		t.Run(name, func(t *testing.T) {
			text := example(t)
			if !strings.Contains(text, c.old) {
				t.Fatalf("the example no longer contains %q", c.old)
			}
			_, err := config.Parse("leeward.yaml", []byte(strings.Replace(text, c.old, c.new, 1)))
			var problems config.Problems
			if !errors.As(err, &problems) {
				t.Fatalf("Parse = %v, want problems", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got:\n%v\nwant: %s", err, want)
				}
			}
			for _, p := range problems {
				if p.Line < 2 || p.Column < 1 || strings.Contains(p.Message, "hunter2") {
					t.Errorf("problem %+v has no place, or leaks", p)
				}
			}
		})
	}
}

// TestRPONeedsADatabaseInEveryRegion takes a region's database out of all its endpoints: out of one alone says nothing.
func TestRPONeedsADatabaseInEveryRegion(t *testing.T) {
	without := func(n int) error {
		_, err := config.Parse("leeward.yaml", []byte(strings.Replace(example(t), `, database: "env:SHOP_TOKYO_DATABASE_URL"`, "", n)))
		return err
	}
	if err := without(1); err != nil {
		t.Errorf("one endpoint without: %v", err)
	}
	if err := without(-1); err == nil || !strings.Contains(err.Error(), "database: is missing: no endpoint of tokyo names the region's database") {
		t.Errorf("no endpoint of a region with: %v", err)
	}
}

func TestAppThatLeewardDoesNotBuildNeedsNothingOfABuild(t *testing.T) {
	text := example(t)
	cut := func(from, to string) {
		before, rest, ok := strings.Cut(text, from)
		_, after, also := strings.Cut(rest, to)
		if !ok || !also {
			t.Fatalf("the example has no %q before %q", from, to)
		}
		text = before + to + after
	}
	cut("    source:\n", "    variants:\n")
	for range 4 {
		cut("    registry: http", "\n")
	}
	text = regexp.MustCompile(`, target: [a-z]+`).ReplaceAllString(text, "")
	topology, err := config.Parse("leeward.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if app := topology.Apps[0]; app.Built() || app.Source.Dockerfile != "" {
		t.Errorf("built: %t, source %+v", app.Built(), app.Source)
	}
}

func TestEveryWayToMeasureIsChecked(t *testing.T) {
	const endpoint, probe = `icmp: 10.88.1.1, tcp: "10.88.1.1:8081", http: "http://10.88.1.1:8081/healthz"`, "down_after: 3, up_after: 3}"
	with := func(more string) string { return "down_after: 3, up_after: 3, " + more + "}" }
	for name, c := range map[string]struct{ old, new, want string }{
		"nothing that decides": {endpoint, `dns: "dns://10.0.0.53/shop.example"`, "apps[0].endpoints[0]: nothing here says whether the app answers (give it http, grpc, exec, tcp, tls or icmp)"},
		"tls":                  {endpoint, `tls: shop.example`, `apps[0].endpoints[0].tls: "shop.example" is not host:port`},
		"dns":                  {endpoint, endpoint + `, dns: "dns://10.0.0.53/shop.example?type=AAA"`, `apps[0].endpoints[0].dns: "AAA" is none of the types A, AAAA, CAA`},
		"grpc":                 {endpoint, `grpc: "http://10.0.0.1:50051"`, "apps[0].endpoints[0].grpc: \"http://10.0.0.1:50051\" is not the address of a gRPC service (as grpc://"},
		"exec":                 {endpoint, `exec: "../../bin/sh -c reboot"`, "apps[0].endpoints[0].exec: \"../../bin/sh -c reboot\" does not begin with the name of a program"},
		"no such way":          {probe, with("also: [http_keep]"), `apps[0].probe.also[0]: "http_keep" is not known (one of http_kept, tls, tls_resumed, registry, db_fresh)`},
		"the same way twice":   {probe, with("also: [http_kept, http_kept]"), "apps[0].probe.also[1]: http_kept stands twice"},
		"no TLS":               {probe, with("also: [tls_resumed]"), "apps[0].probe.also[0]: no endpoint of shop has tls or an https address"},
		"kept, but moved on":   {probe, with("also: [http_kept], http: {redirects: 1}"), "apps[0].probe.also[0]: a request that follows redirects is none on one open connection"},
		"status":               {probe, with("http: {status: [200, 99]}"), "apps[0].probe.http.status[1]: 99 is not a status of HTTP"},
		"header name":          {probe, with(`http: {header: {"a b": x}}`), `apps[0].probe.http.header: "a b" is not the name of a header`},
		"header value":         {probe, with(`http: {header: {Server: "("}}`), "apps[0].probe.http.header.Server: missing closing ): `(`"},
		"body":                 {probe, with(`http: {body: "[z-a]"}`), "apps[0].probe.http.body: invalid character class range: `z-a`"},
		"host":                 {probe, with(`http: {host: "a\r\nb"}`), "apps[0].probe.http.host: "},
		"version":              {probe, with("http: {version: 3}"), `apps[0].probe.http.version: "3" is not known (one of 1.1, 2)`},
		"redirects":            {probe, with("http: {redirects: 11}"), "apps[0].probe.http.redirects: 11 is out of range"},
		"certificate":          {probe, with("http: {certificate_days: 14}"), "apps[0].probe.http.certificate_days: no endpoint of shop has tls, or an https or grpcs address"},
		"serves in the past":   {"max_rtt: 150ms", "max_rtt: 150ms\n      max_rto: -1s", "apps[0].gates.max_rto: is negative"},
		"certificate gone by":  {probe, with("http: {certificate_days: -1}"), "apps[0].probe.http.certificate_days: is negative"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Parse("leeward.yaml", []byte(strings.Replace(example(t), c.old, c.new, 1)))
			var problems config.Problems
			if !errors.As(err, &problems) || len(problems) != 1 || !strings.Contains(err.Error(), c.want) || problems[0].Line < 40 {
				t.Errorf("got:\n%v\nwant: %s", err, c.want)
			}
		})
	}
	text := strings.ReplaceAll(example(t), endpoint, endpoint+`, tls: "10.88.1.1:8443", dns: "dns://10.88.1.1/shop.example?type=A", grpc: "grpc://10.88.1.1:50051/cart", exec: "orders --deep"`)
	text = strings.Replace(text, probe, with(`also: [http_kept, tls, tls_resumed, registry],
      http: {status: [200, 204], header: {Content-Type: ^text/}, body: "ok", host: "shop.example:8081", version: 1.1, certificate_days: 14}`), 1)
	if _, err := config.Parse("leeward.yaml", []byte(text)); err != nil {
		t.Error(err)
	}
}

func TestImagesOfOthersAreInNoRegistryThatIsKnown(t *testing.T) {
	_, err := config.Parse("leeward.yaml", []byte(`
version: 1
regions:
  - {name: a, location: {latitude: 50}, jurisdiction: DE}
  - {name: b, location: {longitude: 9}, jurisdiction: FR}
vantages: [{name: v}]
apps:
  - name: shop
    start: {region: a, variant: x}
    variants: [{name: x}]
    endpoints: [{region: a, variant: x, icmp: host.a}]
    probe: {also: [http_kept, registry]}
    failover: {verify: {url: "http://entry"}}
`))
	want := "leeward.yaml:12:20: apps[0].probe.also[0]: no endpoint of shop has http (it is measured at the endpoints' http addresses)\n" +
		"leeward.yaml:12:31: apps[0].probe.also[1]: shop is not built by Leeward, so no image of it is known (it asks for an image that Leeward built)"
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
}

func TestSeveralProblemsComeTogetherInTheOrderOfTheFile(t *testing.T) {
	text := example(t)
	for old, repl := range map[string]string{"    team: storefront\n": "    taem: x\n", "interval: 1s": "interval: soon", "quorum: 0.5": "quorums: 0.5"} {
		text = strings.Replace(text, old, repl, 1)
	}
	_, err := config.Parse("leeward.yaml", []byte(text))
	var problems config.Problems
	if !errors.As(err, &problems) || len(problems) != 3 {
		t.Fatalf("got %v, want three problems", err)
	}
	for i := 1; i < len(problems); i++ {
		if problems[i].Line < problems[i-1].Line {
			t.Errorf("problem %d comes before line %d", i, problems[i-1].Line)
		}
	}
}

func FuzzParseNeverPanics(f *testing.F) {
	f.Add([]byte("version: 1\nregions: [{name: a}]\n"))
	f.Add([]byte("a: &x [*x]"))
	f.Add([]byte("? [a]\n: b"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := config.Parse("f", data); err == nil && len(data) < 50 {
			t.Errorf("%q is a topology?", data)
		}
	})
}

func TestNoLimitIsLessThanNothingAndNoWeightBeyondSums(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"nearer than here":   {"min_distance_km: 300", "min_distance_km: -300", "apps[0].gates.min_distance_km: is negative (as 300, or leave it out)"},
		"before it was sent": {"max_rtt: 150ms", "max_rtt: -150ms", "apps[0].gates.max_rtt: is negative"},
		"fewer than none":    {"min_samples: 20", "min_samples: -20", "apps[0].gates.min_samples: is negative"},
		"of tomorrow":        {"max_age: 15s", "max_age: -15s", "apps[0].gates.max_age: is negative"},
		"ranked tomorrow":    {"max_ranking_age: 1m", "max_ranking_age: -1m", "apps[0].failover.max_ranking_age: is negative"},
		"warm already":       {"cool_down: 30s", "cool_down: -30s", "apps[0].failover.cool_down: is negative"},
		"baked already":      {"bake: 1s", "bake: -1s", "apps[0].failover.bake: is negative"},
		"proven before":      {"timeout: 10s}", "timeout: -10s}", "apps[0].failover.verify.timeout: is negative"},
		"weight":             {"{name: madrid,", "{name: madrid, weight: 1e308,", "vantages[4].weight: 1e+308 is more than 1e+09"},
		"half before it was": {"window: 2m", "window: 2m, half_life: -1m", "apps[0].objective.half_life: -1m0s is out of range (from 30s to the window's 2m0s, or leave it out)"},
		"half at once":       {"window: 2m", "window: 2m, half_life: 29s", "apps[0].objective.half_life: 29s is out of range (from 30s"},
		"half after it ends": {"window: 2m", "window: 2m, half_life: 121s", "apps[0].objective.half_life: 2m1s is out of range"},
		"writes":             {"writes_per_request: 0.1", "writes_per_request: 1e300", "apps[0].objective.writes_per_request: 1e+300 is more than 1e+09"},
	} {
		_, err := config.Parse("leeward.yaml", []byte(strings.Replace(example(t), c.old, c.new, 1)))
		var problems config.Problems
		if !errors.As(err, &problems) || len(problems) != 1 || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got\n%v\nwant %s", name, err, c.want)
		}
	}
}

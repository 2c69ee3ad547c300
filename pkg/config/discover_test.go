package config_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/leeward-failover/leeward/pkg/config"
	"github.com/leeward-failover/leeward/schemas"
)

// discovering is a leeward.yaml with one entry of discover, on line 14.
func discovering(entry string) string {
	return `version: 1
regions:
  - {name: tokyo, location: {latitude: 35.68, longitude: 139.69}, jurisdiction: JP}
  - {name: paris, location: {latitude: 48.86, longitude: 2.35}, jurisdiction: FR}
vantages: [{name: v}]
apps:
  - name: shop
    start: {region: tokyo, variant: slim}
    variants: [{name: slim}, {name: fat}]
    failover: {verify: {url: "http://entry"}}
    probe:
      also: [http_kept]
    discover:
      - ` + entry + "\n"
}

func TestEntriesOfDiscoverAreChecked(t *testing.T) {
	const endpoint = `endpoint: {http: "http://{address}"}`
	for entry, want := range map[string]string{
		`{name: a, ` + endpoint + `}`:                                                                                    "apps[0].discover[0]: has 0 kinds, not one (the kinds are file, http, dns and kubernetes)",
		`{name: a, file: /a.json, http: {url: "https://a"}, ` + endpoint + `}`:                                           "apps[0].discover[0]: has 2 kinds",
		`{name: A, file: /a.json, ` + endpoint + `}`:                                                                     `apps[0].discover[0].name: "A" is not a name`,
		`{name: a, file: a.json, ` + endpoint + `}`:                                                                      `apps[0].discover[0].file: "a.json" is not an absolute path`,
		`{name: a, file: /etc/shadow, ` + endpoint + `}`:                                                                 `apps[0].discover[0].file: "/etc/shadow" is neither .json nor .yml or .yaml`,
		`{name: a, file: /a.json, interval: 999ms, ` + endpoint + `}`:                                                    "apps[0].discover[0].interval: 999ms is out of range",
		`{name: a, file: /a.json, keep: 9s, ` + endpoint + `}`:                                                           "apps[0].discover[0].keep: 9s is shorter than the interval, 10s",
		`{name: a, http: {url: "http://a", token: "env:A"}, ` + endpoint + `}`:                                           `apps[0].discover[0].http.url: "http://a" would show the token to the network (a token goes over https only)`,
		`{name: a, http: {url: "https://me:hunter2@a"}, ` + endpoint + `}`:                                               "apps[0].discover[0].http.url: holds a secret",
		`{name: a, http: {url: "https://a", token: hunter2}, ` + endpoint + `}`:                                          "apps[0].discover[0].http.token: holds a literal secret",
		`{name: a, http: {url: "https://a", ca: a.pem}, ` + endpoint + `}`:                                               `apps[0].discover[0].http.ca: "a.pem" is not an absolute path`,
		`{name: a, dns: {srv: shop.example}, endpoint: {region: tokyo, variant: slim, http: "http://{address}"}}`:        `apps[0].discover[0].dns.srv: "shop.example" is not the name of SRV records`,
		`{name: a, dns: {srv: _a._tcp.b, server: a}, endpoint: {region: tokyo, variant: fat, http: "http://{host}"}}`:    `apps[0].discover[0].dns.server: "a" is not host:port`,
		`{name: a, dns: {srv: _a._tcp.b}, endpoint: {variant: fat, http: "http://{host}"}}`:                              "apps[0].discover[0].endpoint.region: is missing (SRV records have no labels to tell it)",
		`{name: a, dns: {srv: _a._tcp.b}, endpoint: {region: tokyo, http: "http://{host}"}}`:                             "apps[0].discover[0].endpoint.variant: is missing",
		`{name: a, kubernetes: {namespace: "a/b", service: s}, ` + endpoint + `}`:                                        `apps[0].discover[0].kubernetes.namespace: "a/b" is not a name`,
		`{name: a, kubernetes: {url: "http://a", token: "env:A", namespace: n, service: s}, ` + endpoint + `}`:           `apps[0].discover[0].kubernetes.url: "http://a" would show the token`,
		`{name: a, file: /a.json, endpoint: {region: rome, http: "http://{address}"}}`:                                   `apps[0].discover[0].endpoint.region: "rome" is not a region`,
		`{name: a, file: /a.json, endpoint: {variant: thin, http: "http://{address}"}}`:                                  `apps[0].discover[0].endpoint.variant: "thin" is not a variant of shop`,
		`{name: a, file: /a.json, endpoint: {http: "http://{adress}"}}`:                                                  "apps[0].discover[0].endpoint.http: {adress} is not filled in (those here are {address}, {host}, {port}, {region}, {variant})",
		`{name: a, file: /a.json, endpoint: {http: "http://{address}", tcp: "{host}"}}`:                                  `apps[0].discover[0].endpoint.tcp: "192.0.2.1" is not host:port`,
		`{name: a, file: /a.json, endpoint: {http: "http://{address}", database: "file:/{host}"}}`:                       "apps[0].discover[0].endpoint.database: {host} is not filled in (those here are {region}, {variant})",
		`{name: a, file: /a.json, endpoint: {http: "http://{address}", database: "postgres://u:hunter2@{region}"}}`:      "apps[0].discover[0].endpoint.database: holds a literal secret",
		`{name: a, file: /a.json, endpoint: {http: "http://{address}", found: a}}`:                                       `unknown field "found" in apps[0].discover[0].endpoint`,
		`{name: a, file: /a.json, endpoint: {tcp: "{address}"}}`:                                                         "apps[0].probe.also[0]: no endpoint of shop has http",
		"{name: a, file: /a.json, " + endpoint + "}\n      - {name: a, file: /b.json, " + endpoint + "}":                 `apps[0].discover[1].name: the name "a" stands twice`,
		"{name: a, file: /a.json, " + endpoint + "}\n    endpoints: [{region: tokyo, variant: slim, found: a, http: x}]": `unknown field "found" in apps[0].endpoints[0]`,
	} {
		_, err := config.Parse("leeward.yaml", []byte(discovering(entry)))
		var problems config.Problems
		if !errors.As(err, &problems) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") || problems[0].Line < 12 {
			t.Errorf("%s\ngot:  %v\nwant: %s", entry, err, want)
		}
	}
}

// TestAnAppThatDiscoversMayStartWithNothing leaves it to what is found whether the app has an endpoint to start at.
func TestAnAppThatDiscoversMayStartWithNothing(t *testing.T) {
	topology, err := config.Parse("leeward.yaml", []byte(discovering(`{name: a, file: /a.json, endpoint: {http: "http://{address}"}}`)))
	if err != nil {
		t.Fatal(err)
	}
	if problems := config.Check(topology); len(problems) != 1 || !strings.Contains(problems[0].Message, "apps[0].start: tokyo/slim has no endpoint") {
		t.Errorf("with nothing found: %v", problems)
	}
	topology.Apps[0].Endpoints = []schemas.Endpoint{{Region: "tokyo", Variant: "slim", HTTP: "http://10.0.0.1", Found: "a"}}
	if problems := config.Check(topology); len(problems) > 0 {
		t.Errorf("with an endpoint found: %v", problems)
	}
}

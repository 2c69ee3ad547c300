package discover_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/leeward-failover/leeward/pkg/config"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway/internal/discover"
)

// file is a leeward.yaml whose app discovers what it does not list.
const file = `version: 1
regions:
  - {name: tokyo, location: {latitude: 35.68, longitude: 139.69}, jurisdiction: JP}
  - {name: paris, location: {latitude: 48.86, longitude: 2.35}, jurisdiction: FR}
vantages: [{name: v}]
apps:
  - name: shop
    start: {region: tokyo, variant: slim}
    variants: [{name: slim}, {name: fat}]
    endpoints: [{region: tokyo, variant: slim, tcp: "10.0.0.1:80"}]
    failover: {verify: {url: "http://entry"}}
    targets:
      - name: entry
        haproxy: {socket: /haproxy.sock, backend: shop, servers: [{region: tokyo, variant: slim, server: a}, {region: tokyo, variant: fat, server: b}, {region: paris, variant: slim, server: c}]}
    discover:
      - {name: one, file: /one.json, endpoint: {tcp: "{address}", http: "http://{address}/{region}/{variant}", icmp: "{host}"}}
      - {name: two, file: /two.json, endpoint: {region: paris, variant: slim, tcp: "{address}"}}
`

func topology(t *testing.T) schemas.Topology {
	t.Helper()
	parsed, err := config.Parse("leeward.yaml", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func at(address, region, variant string) discover.Target {
	return discover.Target{Address: address, Labels: map[string]string{"leeward_region": region, "leeward_variant": variant}, Place: address}
}

func leaves(schemas.Candidate) bool  { return false }
func remains(schemas.Candidate) bool { return true }

// choice is what an answer makes of an entry.
type choice struct {
	endpoints []schemas.Endpoint
	kept      []schemas.Candidate
	refused   []string
}

func choose(t schemas.Topology, a schemas.App, d schemas.Discovery, answer discover.Answer, stays func(schemas.Candidate) bool) (c choice) {
	c.endpoints, c.kept, c.refused = discover.Choose(t, a, d, answer, stays)
	return c
}

// tcp are a choice's addresses by candidate.
func (c choice) tcp() string {
	var all []string
	for _, e := range c.endpoints {
		all = append(all, fmt.Sprintf("%s %s %s", e.Candidate(), e.TCP, e.Found))
	}
	return strings.Join(all, "; ")
}

func TestACandidateHasOneEndpointWhateverTheOrderOfTheAnswer(t *testing.T) {
	top := topology(t)
	targets := []discover.Target{at("10.0.0.3:80", "tokyo", "fat"), at("10.0.0.2:80", "tokyo", "fat"), at("10.0.0.4:80", "paris", "slim")}
	want := "paris/slim 10.0.0.4:80 one; tokyo/fat 10.0.0.2:80 one"
	for range 2 {
		c := choose(top, top.Apps[0], top.Apps[0].Discover[0], discover.Answer{Targets: slices.Clone(targets)}, leaves)
		if got := c.tcp(); got != want || len(c.refused)+len(c.kept) > 0 {
			t.Errorf("chosen %s, refused %q, kept %v; want %s", got, c.refused, c.kept, want)
		}
		slices.Reverse(targets)
	}
	c := choose(top, top.Apps[0], top.Apps[0].Discover[0], discover.Answer{Targets: targets[2:]}, leaves)
	if e := c.endpoints[0]; e.HTTP != "http://10.0.0.4:80/paris/slim" || e.ICMP != "10.0.0.4" {
		t.Errorf("measured as %+v", e)
	}
}

func TestWhatIsMeasuredStaysAsLongAsItIsNamed(t *testing.T) {
	top := topology(t)
	entry := top.Apps[0].Discover[0]
	a := discover.Found(top.Apps[0], entry, choose(top, top.Apps[0], entry, discover.Answer{Targets: []discover.Target{at("10.0.0.3:80", "tokyo", "fat"), at("10.0.0.4:80", "paris", "slim")}}, leaves).endpoints)
	for _, c := range []struct {
		what, want string
		targets    []discover.Target
		stays      func(schemas.Candidate) bool
		kept       int
	}{
		{"a smaller address", "paris/slim 10.0.0.4:80 one; tokyo/fat 10.0.0.3:80 one", []discover.Target{at("10.0.0.2:80", "tokyo", "fat"), at("10.0.0.3:80", "tokyo", "fat"), at("10.0.0.4:80", "paris", "slim")}, leaves, 0},
		{"its address is gone", "paris/slim 10.0.0.4:80 one; tokyo/fat 10.0.0.2:80 one", []discover.Target{at("10.0.0.2:80", "tokyo", "fat"), at("10.0.0.4:80", "paris", "slim")}, leaves, 0},
		{"the candidate is gone", "tokyo/fat 10.0.0.3:80 one", []discover.Target{at("10.0.0.3:80", "tokyo", "fat")}, leaves, 0},
		{"it is gone, and stays", "paris/slim 10.0.0.4:80 one; tokyo/fat 10.0.0.3:80 one", []discover.Target{at("10.0.0.3:80", "tokyo", "fat")}, remains, 1},
		{"nothing is named", "paris/slim 10.0.0.4:80 one; tokyo/fat 10.0.0.3:80 one", nil, leaves, 2},
		{"nothing that is named fits", "paris/slim 10.0.0.4:80 one; tokyo/fat 10.0.0.3:80 one", []discover.Target{at("10.0.0.9", "tokyo", "fat")}, leaves, 2},
	} {
		got := choose(top, a, entry, discover.Answer{Targets: c.targets}, c.stays)
		if got.tcp() != c.want || len(got.kept) != c.kept {
			t.Errorf("%s: chosen %s, kept %v; want %s, %d kept", c.what, got.tcp(), got.kept, c.want, c.kept)
		}
	}
}

func TestWhatLeewardYamlCouldNotSayIsRefusedWithItsPlace(t *testing.T) {
	top := topology(t)
	a := discover.Found(top.Apps[0], top.Apps[0].Discover[1], []schemas.Endpoint{{Region: "paris", Variant: "slim", TCP: "10.0.0.4:80", Found: "two"}})
	for why, target := range map[string]discover.Target{
		`no address`: {Address: "10.0.0.1:80 --all", Labels: map[string]string{"leeward_region": "tokyo", "leeward_variant": "fat"}},
		"has no label leeward_region, and the entry's endpoint no region":   {Address: "10.0.0.1:80", Labels: map[string]string{"leeward_variant": "fat"}},
		"has no label leeward_variant, and the entry's endpoint no variant": {Address: "10.0.0.1:80", Labels: map[string]string{"leeward_region": "tokyo"}},
		`region: "rome" is not a region`:                                    at("10.0.0.1:80", "rome", "fat"),
		`variant: "thin" is not a variant of shop`:                          at("10.0.0.1:80", "tokyo", "thin"),
		`tcp: "10.0.0.1" is not host:port`:                                  at("10.0.0.1", "tokyo", "fat"),
		`tcp: "10.0.0.1:http" is not host:port`:                             at("10.0.0.1:http", "tokyo", "fat"),
		`would be an option to a program`:                                   at("-rf:80", "tokyo", "fat"),
		"tokyo/slim is named by endpoints already":                          at("10.0.0.1:80", "tokyo", "slim"),
		"paris/slim is named by two already":                                at("10.0.0.1:80", "paris", "slim"),
		"targets[0].haproxy.servers: no server stands for paris/fat":        at("10.0.0.1:80", "paris", "fat"),
		`tcp: "me:pw@10.0.0.1:80" is not host:port`:                         at("me:pw@10.0.0.1:80", "tokyo", "fat"),
	} {
		target.Place = "[3].targets[4]"
		c := choose(top, a, a.Discover[0], discover.Answer{Targets: []discover.Target{target}}, leaves)
		if len(c.endpoints) > 0 || len(c.refused) != 1 || !strings.HasPrefix(c.refused[0], "[3].targets[4]: ") || !strings.Contains(c.refused[0], why) {
			t.Errorf("chosen %s, refused %q; want %s", c.tcp(), c.refused, why)
		}
	}
}

func TestWhatWasFoundOutlivesAnApplyUnlessItsEntryIsAnother(t *testing.T) {
	before := topology(t)
	before.Apps[0] = discover.Found(before.Apps[0], before.Apps[0].Discover[1], []schemas.Endpoint{{Region: "paris", Variant: "slim", TCP: "10.0.0.4:80", Found: "two"}})
	next := topology(t)
	next.Apps[0].Discover[1].Interval *= 2
	if got := discover.Carry(before, next); len(got.Apps[0].FoundBy("two")) != 1 {
		t.Errorf("with another interval: %+v", got.Apps[0].Endpoints)
	}
	next.Apps[0].Discover[1].Endpoint.TCP = "{host}:81"
	if got := discover.Carry(before, next); len(got.Apps[0].FoundBy("two")) != 0 || len(got.Apps[0].Endpoints) != 1 {
		t.Errorf("with another port: %+v", got.Apps[0].Endpoints)
	}
}

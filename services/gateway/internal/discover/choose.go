package discover

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/leeward-failover/leeward/pkg/config"
	"github.com/leeward-failover/leeward/schemas"
)

// Labels that say where a target runs, as Prometheus' file_sd and http_sd and a cluster's services carry them.
const (
	regionLabel  = "leeward_region"
	variantLabel = "leeward_variant"
)

// choice is what an answer makes of an entry.
type choice struct {
	// endpoints are one for each candidate, in the order of candidates.
	endpoints []schemas.Endpoint
	// kept are those of them that are only there because they were.
	kept    []schemas.Candidate
	refused []string
}

// choose makes endpoints of targets. A candidate has one endpoint: the one it has as long as the answer names it, else the first by its address. So the order of an answer changes nothing,
// and whoever reads the same chooses the same. A candidate that is no longer named stays while stays says so.
func choose(t schemas.Topology, a schemas.App, d schemas.Discovery, answer Answer, stays func(schemas.Candidate) bool) choice {
	c := choice{refused: slices.Clone(answer.Refused)}
	before := map[schemas.Candidate]schemas.Endpoint{}
	for _, e := range a.FoundBy(d.Name) {
		before[e.Candidate()] = e
	}
	chosen := map[schemas.Candidate]schemas.Endpoint{}
	fits := fitting(t, a, d)
	slices.SortStableFunc(answer.Targets, func(x, y Target) int {
		return cmp.Or(cmp.Compare(x.Address, y.Address), cmp.Compare(x.Place, y.Place))
	})
	for _, target := range answer.Targets {
		e, err := endpoint(a, d, target)
		if err == nil {
			err = fits(e)
		}
		if err != nil {
			c.refused = append(c.refused, target.Place+": "+err.Error())
			continue
		}
		if _, taken := chosen[e.Candidate()]; !taken || e == before[e.Candidate()] {
			chosen[e.Candidate()] = e
		}
	}
	none := len(chosen) == 0
	for candidate, e := range before {
		if _, named := chosen[candidate]; !named && (none || stays(candidate)) {
			chosen[candidate] = e
			c.kept = append(c.kept, candidate)
		}
	}
	slices.SortFunc(c.kept, schemas.Candidate.Compare)
	for _, candidate := range slices.SortedFunc(maps.Keys(chosen), schemas.Candidate.Compare) {
		c.endpoints = append(c.endpoints, chosen[candidate])
	}
	return c
}

// endpoint says where a target runs and how it is measured.
func endpoint(a schemas.App, d schemas.Discovery, t Target) (schemas.Endpoint, error) {
	c := schemas.Candidate{Region: cmp.Or(d.Endpoint.Region, t.Labels[regionLabel]), Variant: cmp.Or(d.Endpoint.Variant, t.Labels[variantLabel])}
	if c.Variant == "" && len(a.Variants) == 1 {
		c.Variant = a.Variants[0].Name
	}
	switch {
	case c.Region == "":
		return schemas.Endpoint{}, fmt.Errorf("has no label %s, and the entry's endpoint no region", regionLabel)
	case c.Variant == "":
		return schemas.Endpoint{}, fmt.Errorf("has no label %s, and the entry's endpoint no variant", variantLabel)
	case t.Address == "" || strings.ContainsFunc(t.Address, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`{}"'\`, r) }):
		return schemas.Endpoint{}, fmt.Errorf("%.100q is no address", t.Address)
	case strings.HasPrefix(t.Address, "-"):
		return schemas.Endpoint{}, fmt.Errorf("%.100q would be an option to a program", t.Address)
	}
	e := config.EndpointAt(d.Endpoint, t.Address, c)
	e.Found = d.Name
	return e, nil
}

// fitting says of endpoints whether the app can have them beside its other ones, by the rules that hold for leeward.yaml.
func fitting(t schemas.Topology, a schemas.App, d schemas.Discovery) func(schemas.Endpoint) error {
	var others []schemas.Endpoint
	for _, e := range a.Endpoints {
		if e.Found != d.Name {
			others = append(others, e)
		}
	}
	a.Endpoints = others
	known := map[string]bool{}
	for _, p := range problems(t, a) {
		known[p] = true
	}
	return func(e schemas.Endpoint) error {
		for _, o := range others {
			if o.Candidate() == e.Candidate() {
				return fmt.Errorf("%s is named by %s already", e.Candidate(), cmp.Or(o.Found, "endpoints"))
			}
		}
		with := a
		with.Endpoints = append(slices.Clip(others), e)
		for _, p := range problems(t, with) {
			if !known[p] {
				return errors.New(p)
			}
		}
		return nil
	}
}

// problems are what is wrong with an app, without the way there.
func problems(t schemas.Topology, a schemas.App) []string {
	t.Apps = []schemas.App{a}
	last := fmt.Sprintf("endpoints[%d]", len(a.Endpoints)-1)
	var all []string
	for _, p := range config.Check(t) {
		text := strings.TrimPrefix(p.Message, "apps[0].")
		all = append(all, strings.TrimLeft(strings.TrimPrefix(text, last), ".: "))
	}
	return all
}

// carry gives a topology what was found for the entries that it shares with the one before.
func carry(before, next schemas.Topology) schemas.Topology {
	next.Apps = slices.Clone(next.Apps)
	for i, a := range next.Apps {
		old, _ := before.App(a.Name)
		for _, d := range a.Discover {
			if slices.ContainsFunc(old.Discover, func(o schemas.Discovery) bool { return same(o, d) }) {
				next.Apps[i] = found(next.Apps[i], d, old.FoundBy(d.Name))
			}
		}
	}
	return next
}

// found gives an app what an entry found, in the order of the entries.
func found(a schemas.App, d schemas.Discovery, endpoints []schemas.Endpoint) schemas.App {
	all := map[string][]schemas.Endpoint{}
	for _, e := range a.Endpoints {
		all[e.Found] = append(all[e.Found], e)
	}
	all[d.Name] = endpoints
	a.Endpoints = slices.Clone(all[""])
	for _, entry := range a.Discover {
		a.Endpoints = append(a.Endpoints, all[entry.Name]...)
	}
	return a
}

// same says whether two entries find the same in the same way.
func same(a, b schemas.Discovery) bool {
	a.Interval, a.Keep = b.Interval, b.Keep
	return hash(a) == hash(b)
}

func hash(d schemas.Discovery) string {
	return schemas.Topology{Apps: []schemas.App{{Discover: []schemas.Discovery{d}}}}.Hash()
}

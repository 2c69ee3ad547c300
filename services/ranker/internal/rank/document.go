package rank

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/leeward-failover/leeward/pkg/gate"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/stability"
)

// document is what a ranking stores as its inputs: everything it depends on, so that no later change of the topology, the buckets or the samples matters.
type document struct {
	Inputs
	World  world            `json:"world"`
	Policy stability.Policy `json:"policy"`
	State  State            `json:"state"`
}

// world is the part of a topology that a ranking of one app looks at.
type world struct {
	App      schemas.App       `json:"app"`
	Regions  []schemas.Region  `json:"regions"`
	Vantages []schemas.Vantage `json:"vantages"`
}

// newWorld leaves out what is for building and moving the app, and where vantages look to tell whether they see.
func newWorld(app schemas.App, t schemas.Topology) world {
	app.Source = schemas.Source{Context: app.Source.Context}
	app.Images, app.Targets, app.Alerts, app.Discover, app.Failover.Verify = schemas.Images{}, nil, nil, nil, schemas.Verify{}
	app.Variants = slices.Clone(app.Variants)
	for i, v := range app.Variants {
		app.Variants[i] = schemas.Variant{Name: v.Name}
	}
	w := world{App: app, Regions: t.Regions, Vantages: slices.Clone(t.Vantages)}
	for i := range w.Vantages {
		w.Vantages[i].Anchors = nil
	}
	return w
}

func (w world) topology() schemas.Topology {
	return schemas.Topology{Regions: w.Regions, Vantages: w.Vantages, Apps: []schemas.App{w.App}}
}

// of leaves out what is of other apps, and of the ranking before all that this one has no use for.
func (s State) of(in Inputs, t schemas.Topology) State {
	s.Verdicts = slices.DeleteFunc(slices.Clone(s.Verdicts), func(v schemas.Verdict) bool { return v.App != in.App })
	s.Images = slices.DeleteFunc(slices.Clone(s.Images), func(i schemas.ImageState) bool { return i.App != in.App })
	s.Overrides = slices.DeleteFunc(slices.Clone(s.Overrides), func(o schemas.Override) bool { return o.App != in.App })
	s.Benchmarks = slices.DeleteFunc(slices.Clone(s.Benchmarks), func(b Benchmark) bool { return b.App != in.App })
	measured, before := roundTripsFrom(in, t), s.Previous
	s.Previous = schemas.Ranking{At: before.At}
	for _, o := range before.Orders {
		s.Previous.Orders = append(s.Previous.Orders, schemas.Order{Active: o.Active, Stability: o.Stability, Candidates: unmeasured(measured, o)})
	}
	return s
}

// way is from a region to a candidate.
type way struct {
	from string
	to   schemas.Candidate
}

// roundTripsFrom are the ways on which round trips are measured now.
func roundTripsFrom(in Inputs, t schemas.Topology) map[way]bool {
	regions := map[string]string{}
	for _, v := range t.Vantages {
		regions[v.Name] = v.Region
	}
	measured := map[way]bool{}
	for _, c := range in.Cells {
		if slices.Contains(roundTripKinds, c.Kind) {
			measured[way{regions[c.Vantage], c.Candidate}] = true
		}
	}
	return measured
}

// unmeasured are the candidates of an order that no vantage of the active region measures now, each with the gate that may be remembered.
func unmeasured(measured map[way]bool, o schemas.Order) []schemas.RankedCandidate {
	var all []schemas.RankedCandidate
	for i := range o.Candidates {
		c := &o.Candidates[i]
		if c.Region == o.Active || measured[way{o.Active, c.Candidate}] {
			continue
		}
		if i := slices.IndexFunc(c.Gates, func(g schemas.Gate) bool { return g.Name == gate.RoundTrip && g.Result != schemas.Unknown }); i >= 0 {
			all = append(all, schemas.RankedCandidate{Candidate: c.Candidate, Gates: c.Gates[i : i+1]})
		}
	}
	return all
}

// Again computes a ranking from the inputs that it stored. The same release gives the same bytes.
func Again(stored json.RawMessage) (schemas.Ranking, error) {
	d, err := read(stored)
	if err != nil {
		return schemas.Ranking{}, err
	}
	r, err := d.ranking()
	r.Inputs = stored
	return r, err
}

func read(stored json.RawMessage) (d document, err error) {
	decoder := json.NewDecoder(bytes.NewReader(stored))
	// What another release stored beside this is something that its ranking depends on.
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		return d, fmt.Errorf("stored inputs: %w", err)
	}
	return d, d.validate()
}

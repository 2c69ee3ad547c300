package rank

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// Observed weights are a mixture: part of each is where requests came from, the rest what is declared.
const (
	// declaredRequests are how many requests the declared weights are worth: few requests move them little, and none of them by a leap.
	declaredRequests = 1000
	// mostObserved is the largest part that requests make up, so that a vantage whose clients are asleep still counts.
	mostObserved = 0.9
)

// declared is how vantages count before any traffic is looked at: by the weights that are given, or equally.
func declared(app schemas.App, t schemas.Topology) string {
	some := slices.ContainsFunc(t.Vantages, func(v schemas.Vantage) bool { return v.Weight > 0 })
	if some && app.Objective.Weights != schemas.EqualWeights {
		return schemas.GivenWeights
	}
	return schemas.EqualWeights
}

// weighed says whether an app's vantages count by its traffic.
func weighed(app schemas.App) bool { return app.Objective.Weights == schemas.ObservedWeights }

// traffic is where an app's requests come from, as far as vantages count by it.
type traffic struct {
	declared string
	// why is what keeps it from being used; empty where it is, or is not asked for.
	why string
	// requests are those of each region with a vantage that counts, total their sum, and part what they make up of the weights.
	requests    map[string]float64
	total, part float64
	// unseen are the requests of regions without such a vantage.
	unseen []schemas.RegionRequests
}

// weigh moves the weights of the vantages that count to where the requests came from; those of a region are shared equally by its vantages.
func (k known) weigh(load schemas.Load) {
	k.traffic = traffic{declared: declared(k.app, k.topology)}
	if !weighed(k.app) {
		return
	}
	vantages := map[string]float64{}
	for _, s := range k.counted {
		vantages[s.region]++
	}
	k.traffic.see(load, k.in.End, vantages)
	t := k.traffic
	if t.part == 0 {
		return
	}
	for i, s := range k.counted {
		k.counted[i].weight = t.part*t.requests[s.region]/t.total/vantages[s.region] + (1-t.part)*s.weight
	}
}

// see reads a load, which is believed for as long as it remembers requests.
func (t *traffic) see(load schemas.Load, now time.Time, vantages map[string]float64) {
	if len(load.Regions) == 0 {
		t.why = "no requests have been counted by region"
		return
	}
	if age := now.Sub(load.At).Abs(); age > schemas.LoadMemory {
		t.why = fmt.Sprintf("requests by region were last counted at %s", load.At.UTC().Format(time.DateTime+" UTC"))
		return
	}
	t.requests = map[string]float64{}
	for _, r := range load.Regions {
		switch {
		case vantages[r.Region] > 0:
			t.requests[r.Region] = r.Requests
			t.total += r.Requests
		case r.Requests > 0:
			t.unseen = append(t.unseen, r)
		}
	}
	if t.total == 0 {
		t.why = "no requests came of late from a region with a vantage that counts"
	}
	t.part = min(t.total/(t.total+declaredRequests), mostObserved)
}

// warnings are what people are told of it.
func (t traffic) warnings() (all []string) {
	if t.why != "" {
		all = append(all, fmt.Sprintf("objective.weights: %s: vantages count by %s weights", t.why, t.declared))
	}
	for _, r := range t.unseen {
		all = append(all, fmt.Sprintf("objective.weights: %.0f requests came from %s of late, where no vantage counts: they are left out", r.Requests, r.Region))
	}
	return all
}

// Weight is how much a vantage counts in every cost that it measures a part of, before any of its round trips is found impossible.
type Weight struct {
	Vantage, Region string
	Weight          float64
	// From says where the weight comes from.
	From string
}

// Weights reads how much each vantage counted out of a ranking's stored inputs.
func Weights(stored json.RawMessage) ([]Weight, error) {
	d, err := read(stored)
	if err != nil {
		return nil, err
	}
	k := newKnown(d.Inputs, d.World.App, d.World.topology(), d.State.Load)
	var all []Weight
	for _, v := range k.topology.Vantages {
		w := Weight{Vantage: v.Name, Region: v.Region, From: "no weight given"}
		if i := slices.IndexFunc(k.counted, func(s share) bool { return s.vantage == v.Name }); i >= 0 {
			w.Weight, w.From = k.counted[i].weight, k.traffic.from(v.Region)
		} else if slices.Contains(k.leftOut, v.Name) {
			w.From = "too few samples"
		}
		all = append(all, w)
	}
	return all, nil
}

// from says where the weights of a region's vantages come from.
func (t traffic) from(region string) string {
	switch {
	case t.part == 0:
		return t.declared
	case t.requests[region] == 0:
		return fmt.Sprintf("observed: no requests; %.0f %% is %s", 100*(1-t.part), t.declared)
	}
	return fmt.Sprintf("observed: %.1f %% of %.0f requests came from %s; %.0f %% is %s", 100*t.requests[region]/t.total, t.total, region, 100*(1-t.part), t.declared)
}

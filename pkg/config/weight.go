package config

import (
	"slices"

	"github.com/leeward-failover/leeward/schemas"
)

// weights checks that vantages can be weighed as the app's objective says.
func (v validator) weights(path string, a schemas.App, t schemas.Topology) {
	field := path + ".objective.weights"
	switch a.Objective.Weights {
	case "", schemas.EqualWeights:
	case schemas.GivenWeights:
		if !slices.ContainsFunc(t.Vantages, func(p schemas.Vantage) bool { return p.Weight > 0 }) {
			v.failf(field, "give vantages a weight, or write equal", "no vantage has a weight")
		}
	case schemas.ObservedWeights:
		v.observed(path, a, t)
	default:
		v.oneOf(field, a.Objective.Weights, schemas.GivenWeights, schemas.EqualWeights, schemas.ObservedWeights)
	}
}

// observed checks that requests can be counted by region, and that there is a vantage to stand for each.
func (v validator) observed(path string, a schemas.App, t schemas.Topology) {
	counted := false
	for i, target := range a.Targets {
		if target.Region == "" {
			continue
		}
		counted = true
		if !slices.ContainsFunc(t.Vantages, func(p schemas.Vantage) bool { return p.Region == target.Region }) {
			v.failf(at(path+".targets", i)+".region", "add a vantage there, or leave the region out", "no vantage is in %s, so that nothing stands for its clients in objective.weights", target.Region)
		}
	}
	if !counted {
		v.failf(path+".objective.weights", "give a target the region whose clients come through it, or write given or equal", "no target has a region, so that no traffic would be observed")
	}
}

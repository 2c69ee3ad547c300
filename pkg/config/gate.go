package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/leeward-failover/leeward/pkg/celgate"
	"github.com/leeward-failover/leeward/schemas"
)

// gates checks the gates that need more than a limit.
func (v validator) gates(path string, a schemas.App) {
	v.headroom(path, a)
	names := unique{v, map[string]bool{}}
	for i, g := range a.Gates.Custom {
		p := at(path+".gates.custom", i)
		names.add(p+".name", g.Name)
		if g.Expr == "" {
			v.failf(p, "as expr: candidate.cost_ms < 200", "has no expr")
			continue
		}
		for _, problem := range celgate.Check(g.Expr) {
			where := fmt.Sprintf("at column %d of the expression", problem.Column)
			if problem.Line > 1 {
				where = fmt.Sprintf("at line %d, column %d of the expression", problem.Line, problem.Column)
			}
			v.failf(p+".expr", "the variables are "+strings.Join(celgate.Names(), ", "), "%s: %s", where, problem.Message)
		}
	}
}

// headroom checks that capacity and load are known wherever they are compared.
func (v validator) headroom(path string, a schemas.App) {
	for i, e := range a.Endpoints {
		p := at(path+".endpoints", i) + ".capacity"
		switch {
		case e.Capacity < 0:
			v.failf(p, "in requests per second", "is negative")
		case e.Capacity == 0 && a.Gates.Headroom != 0:
			v.failf(p, "in requests per second; it is what gates.headroom compares with the load", "is missing")
		}
	}
	if a.Gates.Headroom == 0 {
		return
	}
	if a.Gates.Headroom < 1 {
		v.failf(path+".gates.headroom", "as 1.2, for a fifth more than what is measured", "%g is less than 1", a.Gates.Headroom)
	}
	if len(a.Targets) == 0 {
		v.failf(path+".gates.headroom", "name what sends traffic to the app, or leave headroom out", "there is no target whose load could be measured")
	}
}

// regionTexts bounds what custom gates may look at.
func (v validator) regionTexts(path string, r schemas.Region) {
	v.short(path+".jurisdiction", r.Jurisdiction)
	if len(r.Labels) > celgate.MaxLabels {
		v.failf(path+".labels", "", "are %d, more than %d", len(r.Labels), celgate.MaxLabels)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Labels)) {
		v.short(path+".labels", name)
		v.short(path+".labels."+name, r.Labels[name])
	}
}

func (v validator) short(path, text string) {
	if len(text) > celgate.MaxText {
		v.failf(path, "", "has %d bytes, more than %d", len(text), celgate.MaxText)
	}
}

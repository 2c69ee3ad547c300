package verdict

import (
	"cmp"
	"slices"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// Reading is one measurement as a verdict needs it.
type Reading struct {
	Sample schemas.Sample
	// Decides says that the variant answered only if this did; Shown that this latency stands for the variant.
	Decides, Shown bool
	// Error is what went wrong, for people.
	Error string
}

// Look is what one round, or one look on request, saw of an app in a region.
type Look struct {
	At       time.Time
	Sighted  bool
	Variants []schemas.VariantHealth
	// LatencyUS is that of the variant that answered fastest, 0 when none did.
	LatencyUS uint32
	// ConnectUS is the shortest time in which a connection was opened, 0 when none was.
	ConnectUS uint32
}

// See puts the measurements of one round together.
func See(at time.Time, sighted bool, readings []Reading) Look {
	l := Look{At: at, Sighted: sighted}
	for _, r := range readings {
		v, ok := l.variant(r.Sample.Variant), r.Sample.Outcome == schemas.OK
		if c := r.Sample.ConnectUS; ok && c > 0 && (l.ConnectUS == 0 || c < l.ConnectUS) {
			l.ConnectUS = c
		}
		if r.Shown && ok {
			v.LatencyUS = r.Sample.LatencyUS
		}
		if r.Decides && !ok {
			v.OK, v.Error = false, r.Error
		}
	}
	slices.SortFunc(l.Variants, func(a, b schemas.VariantHealth) int { return cmp.Compare(a.Variant, b.Variant) })
	for _, v := range l.Variants {
		if v.OK && v.LatencyUS > 0 && (l.LatencyUS == 0 || v.LatencyUS < l.LatencyUS) {
			l.LatencyUS = v.LatencyUS
		}
	}
	return l
}

// variant finds or adds the health of a variant, which is well until something says otherwise.
func (l *Look) variant(name string) *schemas.VariantHealth {
	i := slices.IndexFunc(l.Variants, func(v schemas.VariantHealth) bool { return v.Variant == name })
	if i < 0 {
		l.Variants = append(l.Variants, schemas.VariantHealth{Variant: name, OK: true})
		i = len(l.Variants) - 1
	}
	return &l.Variants[i]
}

// Good says whether at least one variant answered.
func (l Look) Good() bool {
	return slices.ContainsFunc(l.Variants, func(v schemas.VariantHealth) bool { return v.OK })
}

// health is the judgement of a good look.
func (l Look) health() schemas.Health {
	if slices.ContainsFunc(l.Variants, func(v schemas.VariantHealth) bool { return !v.OK }) {
		return schemas.Degraded
	}
	return schemas.Up
}

// trouble is what went wrong with the first variant that did not answer, empty when all did.
func (l Look) trouble() string {
	for _, v := range l.Variants {
		if !v.OK {
			return v.Variant + ": " + v.Error
		}
	}
	return ""
}

package gate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// Permitted is the gate that nobody excluded a candidate, and nobody pinned others. What has ended is as if it had never been.
func Permitted(app schemas.App, c schemas.Candidate, overrides []schemas.Override, now time.Time) schemas.Gate {
	var pins []schemas.Override
	var pinned schemas.Override
	for _, o := range InForce(app, overrides, now) {
		switch {
		case o.Kind == schemas.Exclude && o.Covers(c):
			return schemas.Gate{Name: Allowed, Result: schemas.Fail, Evidence: "excluded " + order(o), EvidenceAt: o.At}
		case o.Kind == schemas.Pin && o.Covers(c):
			pinned = o
		case o.Kind == schemas.Pin:
			pins = append(pins, o)
		}
	}
	if pinned.Kind != "" {
		return schemas.Gate{Name: Allowed, Result: schemas.Pass, Evidence: "pinned " + order(pinned), EvidenceAt: pinned.At}
	}
	if len(pins) == 0 {
		return schemas.Gate{Name: Allowed, Result: schemas.Pass, Evidence: "no override"}
	}
	var others []string
	for _, o := range pins {
		others = append(others, o.Scope()+" is pinned "+order(o))
	}
	return schemas.Gate{Name: Allowed, Result: schemas.Fail, Evidence: strings.Join(others, "; "), EvidenceAt: pins[0].At}
}

// InForce are the overrides of an app that have not ended, in one order. A variant's come before those of its whole region.
func InForce(app schemas.App, overrides []schemas.Override, now time.Time) []schemas.Override {
	var all []schemas.Override
	for _, o := range overrides {
		if o.App == app.Name && now.Before(o.Until) {
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b schemas.Override) int {
		return cmp.Or(cmp.Compare(a.Region, b.Region), -cmp.Compare(a.Variant, b.Variant))
	})
	return all
}

// order is who ordered an override, until when and why.
func order(o schemas.Override) string {
	return fmt.Sprintf("by %s until %s: %s", o.Who, o.Until.UTC().Format("2006-01-02 15:04:05 UTC"), o.Why)
}

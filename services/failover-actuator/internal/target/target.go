// Package target changes what sends traffic: it reads the weights a target has and sets others, if they are still the expected ones.
package target

import (
	"context"
	"errors"
	"fmt"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/weight"
)

// Change is what a target is to be set to.
type Change struct {
	// Epoch is for targets that can refuse a lower one.
	Epoch schemas.Epoch
	// Expected is what the target is believed to have now.
	Expected weight.Set
	Next     weight.Set
}

// Outcome is what is known after a change was tried.
type Outcome string

// The outcomes. Unknown means that the target may or may not have changed: it is to be read, or the same change tried again.
const (
	Applied  Outcome = "applied"
	Conflict Outcome = "conflict"
	Unknown  Outcome = "unknown"
)

// Target is something that sends traffic to an app's candidates.
type Target interface {
	Name() string
	// Read returns the weights of the candidates the target knows.
	Read(context.Context) (weight.Set, error)
	// Apply sets the weights. A change that is already in place is applied without doing anything.
	// An outcome other than applied comes with an error that says why.
	Apply(context.Context, Change) (Outcome, error)
}

// Of returns the targets of an app.
func Of(app schemas.App) ([]Target, error) {
	var all []Target
	for _, t := range app.Targets {
		if t.HAProxy == nil {
			return nil, fmt.Errorf("target %s: no kind this actuator knows", t.Name)
		}
		all = append(all, HAProxy{Label: t.Name, Config: *t.HAProxy})
	}
	return all, nil
}

// ErrConflict says that a target has weights that are neither the expected nor the next ones.
var ErrConflict = errors.New("set by someone else")

package schemas

import (
	"fmt"
	"strings"
)

// Anomaly is an anomaly as it was last told of. Those that ended stay for a day.
type Anomaly struct {
	Last AnomalyDetected `json:"last"`
	// Announced says that the event was published.
	Announced bool `json:"announced"`
}

// Open says whether the anomaly lasts.
func (a Anomaly) Open() bool { return a.Last.State == AnomalyBegan }

// Validate reports every field that is not well formed.
func (a Anomaly) Validate() error { return a.Last.Validate() }

// Key is the anomaly's id.
func (a Anomaly) Key() []string { return a.Last.Key() }

// Where says in words what the anomaly's cells have in common, and how many of them moved.
func (e AnomalyDetected) Where() string {
	s := e.Scope
	var parts []string
	switch {
	case s.Region != "" && s.Vantage != "":
		parts = append(parts, "path "+s.Vantage+" to "+s.Region)
	case s.Region != "":
		parts = append(parts, "region "+s.Region)
	case s.Vantage != "":
		parts = append(parts, "vantage "+s.Vantage)
	}
	for _, named := range []struct{ of, name string }{{"app", s.App}, {"variant", s.Variant}, {"kind", s.Kind}} {
		if named.name != "" {
			parts = append(parts, named.of+" "+named.name)
		}
	}
	if len(parts) == 0 {
		parts = []string{"everything"}
	}
	where := strings.Join(parts, ", ")
	if s.Vantage == "" {
		where += fmt.Sprintf(" from %d of %d vantages", e.MovedVantages, e.OfVantages)
	}
	return where + fmt.Sprintf(", %d of %d cells", e.Moved, e.Of)
}

// Worst says in words what became of the worst cell.
func (e AnomalyDetected) Worst() string {
	k := e.Cells[0]
	var says []string
	for _, m := range k.Measures {
		switch m {
		case AnomalyLatency:
			says = append(says, fmt.Sprintf("median %.1f ms, was %.1f", k.After.P50MS, k.Before.P50MS))
		case AnomalyTail:
			says = append(says, fmt.Sprintf("p95 %.1f ms, was %.1f", k.After.P95MS, k.Before.P95MS))
		case AnomalyLoss:
			says = append(says, fmt.Sprintf("%.1f %% fail, were %.1f", 100*k.After.Loss, 100*k.Before.Loss))
		}
	}
	return strings.Join(says, "; ")
}

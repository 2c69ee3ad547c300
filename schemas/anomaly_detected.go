package schemas

import (
	"slices"
	"time"
)

// AnomalyState says whether an anomaly began or ended.
type AnomalyState string

// The states of an anomaly.
const (
	AnomalyBegan AnomalyState = "began"
	AnomalyEnded AnomalyState = "ended"
)

// AnomalyMeasure is what of a cell became worse.
type AnomalyMeasure string

// The measures: the median latency, the 95th percentile, and the share of samples that failed.
const (
	AnomalyLatency AnomalyMeasure = "latency"
	AnomalyTail    AnomalyMeasure = "tail"
	AnomalyLoss    AnomalyMeasure = "loss"
)

// AnomalyScope is what the cells of an anomaly have in common; an empty field is not common. All of it empty is everything that is measured.
type AnomalyScope struct {
	Vantage string `json:"vantage,omitempty"`
	Region  string `json:"region,omitempty"`
	App     string `json:"app,omitempty"`
	Variant string `json:"variant,omitempty"`
	Kind    string `json:"kind,omitempty"`
}

// AnomalyLevel is how a cell was over some minutes. The latencies are of samples that ended ok, 0 when none did.
type AnomalyLevel struct {
	P50MS float64 `json:"p50_ms"`
	P95MS float64 `json:"p95_ms"`
	// Loss is the share of samples that failed, from 0 to 1.
	Loss float64 `json:"loss"`
}

// AnomalyCell is a cell that became worse, with its levels before the change and after it.
type AnomalyCell struct {
	App      string           `json:"app"`
	Region   string           `json:"region"`
	Variant  string           `json:"variant,omitempty"`
	Vantage  string           `json:"vantage"`
	Kind     string           `json:"kind"`
	Measures []AnomalyMeasure `json:"measures"`
	Before   AnomalyLevel     `json:"before"`
	After    AnomalyLevel     `json:"after"`
}

// MaxAnomalyCells is how many cells an event names; the worst stand for all.
const MaxAnomalyCells = 40

// AnomalyDetected says that cells which have something in common became worse at once, or that they are as before again.
type AnomalyDetected struct {
	// ID names the anomaly: it follows from the scope and the minute of the change.
	ID    string       `json:"id"`
	State AnomalyState `json:"state"`
	// App is the app concerned, empty when several are; Apps are all of them.
	App   string       `json:"app,omitempty"`
	Apps  []string     `json:"apps"`
	Scope AnomalyScope `json:"scope"`
	// Moved of the Of cells in the scope became worse, seen from MovedVantages of OfVantages vantages.
	Moved         int `json:"moved"`
	Of            int `json:"of"`
	MovedVantages int `json:"moved_vantages"`
	OfVantages    int `json:"of_vantages"`
	// Cells are the worst of those that moved, at most 40.
	Cells []AnomalyCell `json:"cells"`
	// PValue is the smallest of the cells' p-values, QValue the false-discovery rate at which the anomaly would just have been found.
	PValue float64 `json:"p_value"`
	QValue float64 `json:"q_value"`
	// Since is the minute of the change, DetectedAt when it was found.
	Since      time.Time `json:"since"`
	DetectedAt time.Time `json:"detected_at"`
	// Reason is why the anomaly ended.
	Reason string `json:"reason,omitempty"`
	// At is when the state was reached.
	At time.Time `json:"at"`
}

// AnomalyDetectedTopic is published by the ranker, once when an anomaly begins and once when it ends.
var AnomalyDetectedTopic = Topic[AnomalyDetected]{Contract{
	Name: "leeward.anomaly.detected.v1", Stream: Events, Producer: Ranker,
	Deliver: DeliverAll, ActWithin: 5 * time.Minute, Doc: "Latency or failures became worse than before, or are as before again.",
}}

// Validate reports every field that is not well formed.
func (e AnomalyDetected) Validate() error {
	var c check
	c.name("id", e.ID)
	c.that(e.State == AnomalyBegan || e.State == AnomalyEnded, "state %q is neither began nor ended", e.State)
	c.optionalName("app", e.App)
	for _, a := range e.Apps {
		c.name("apps", a)
	}
	c.that(e.Moved >= 1 && e.Moved <= e.Of, "moved is %d of %d", e.Moved, e.Of)
	c.that(len(e.Cells) >= 1 && len(e.Cells) <= MaxAnomalyCells, "%d cells, want 1 to %d", len(e.Cells), MaxAnomalyCells)
	for _, k := range e.Cells {
		c.anomalyCell(k)
	}
	c.finite("p_value", e.PValue)
	c.finite("q_value", e.QValue)
	c.time("since", e.Since)
	c.time("detected_at", e.DetectedAt)
	c.that(e.State != AnomalyEnded || e.Reason != "", "an ended anomaly has no reason")
	c.time("at", e.At)
	return c.err()
}

func (c *check) anomalyCell(k AnomalyCell) {
	c.name("cells.app", k.App)
	c.name("cells.region", k.Region)
	c.name("cells.vantage", k.Vantage)
	c.text("cells.kind", k.Kind)
	c.that(len(k.Measures) > 0, "a cell has no measures")
	for _, m := range k.Measures {
		c.that(slices.Contains([]AnomalyMeasure{AnomalyLatency, AnomalyTail, AnomalyLoss}, m), "cells.measures %q is no measure", m)
	}
	c.finite("cells.before", k.Before.P50MS, k.Before.P95MS, k.Before.Loss)
	c.finite("cells.after", k.After.P50MS, k.After.P95MS, k.After.Loss)
}

// Key is the anomaly.
func (e AnomalyDetected) Key() []string { return []string{e.ID} }

// Identity is the anomaly, which is a scope and a minute, and the state.
func (e AnomalyDetected) Identity() string { return "anomaly:" + e.ID + ":" + string(e.State) }

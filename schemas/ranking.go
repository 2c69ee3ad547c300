package schemas

import (
	"encoding/json"
	"time"
)

// Ranking is the order of an app's candidates, one order per possible active region, with what it was computed from.
type Ranking struct {
	App      string    `json:"app"`
	At       time.Time `json:"at"`
	Topology string    `json:"topology"`
	// Quantile and WindowSeconds repeat the objective the costs were computed with.
	Quantile      float64 `json:"quantile"`
	WindowSeconds int     `json:"window_seconds"`
	Orders        []Order `json:"orders"`
	// Requests are how long requests to the running candidates take, wherever traffic is.
	Requests []RequestLatency `json:"requests,omitempty"`
	// Inputs are the integer statistics per cell and the seed from which the same orders can be computed again.
	Inputs json.RawMessage `json:"inputs,omitempty"`
}

// Order is the candidates, best first, when traffic is in the active region.
type Order struct {
	Active     string            `json:"active"`
	Candidates []RankedCandidate `json:"candidates"`
}

// RankedCandidate is one candidate with its cost, how sure that is, and every gate.
type RankedCandidate struct {
	Candidate
	// Rank counts from 1; candidates whose intervals overlap that of the first of their group share a rank.
	Rank int `json:"rank"`
	// Running is false for a candidate without an endpoint: it is shown and never eligible.
	Running bool `json:"running"`
	// CostMS is in milliseconds with its 95 % interval; meaningless when Enough is false.
	CostMS float64 `json:"cost_ms"`
	LowMS  float64 `json:"low_ms"`
	HighMS float64 `json:"high_ms"`
	// Censored says that the quantile lies among time-outs: the cost is at least what is shown.
	Censored bool `json:"censored,omitempty"`
	// Enough is whether every cell holds the samples that the quantile needs.
	Enough   bool   `json:"enough"`
	Samples  uint64 `json:"samples"`
	Failures uint64 `json:"failures"`
	// ServeMS is how long the candidate takes until it serves once traffic is to go there, in milliseconds: 0 for one that answers, absent where no
	// benchmark of its image says. Serve is what it is made of, or what is missing.
	ServeMS  *float64 `json:"serve_ms,omitempty"`
	Serve    string   `json:"serve,omitempty"`
	Eligible bool     `json:"eligible"`
	Gates    []Gate   `json:"gates"`
}

// GateResult is pass, fail or unknown.
type GateResult string

// The results of a gate; unknown counts as fail in mode auto.
const (
	Pass    GateResult = "pass"
	Fail    GateResult = "fail"
	Unknown GateResult = "unknown"
)

// Gate is one condition a candidate must pass, with its evidence.
type Gate struct {
	Name     string     `json:"name"`
	Result   GateResult `json:"result"`
	Evidence string     `json:"evidence"`
	// EvidenceAt is when the evidence was taken; zero for what does not age.
	EvidenceAt time.Time `json:"evidence_at,omitzero"`
}

// Passes says whether every gate passes.
func Passes(gates []Gate) bool {
	for _, g := range gates {
		if g.Result != Pass {
			return false
		}
	}
	return true
}

// Validate reports every field that is not well formed.
func (r Ranking) Validate() error {
	var c check
	c.name("app", r.App)
	c.time("at", r.At)
	c.finite("quantile", r.Quantile)
	c.that(len(r.Inputs) == 0 || json.Valid(r.Inputs), "inputs are not JSON")
	c.requests(r.Requests)
	for _, o := range r.Orders {
		c.name("active", o.Active)
		for _, k := range o.Candidates {
			c.candidate("candidate", k.Candidate)
			c.finite("cost", k.CostMS, k.LowMS, k.HighMS)
			c.serve(k.ServeMS)
			for _, g := range k.Gates {
				c.optionalTime("evidence_at", g.EvidenceAt)
			}
		}
	}
	return c.err()
}

// Key is the app.
func (r Ranking) Key() []string { return []string{r.App} }

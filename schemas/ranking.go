package schemas

import (
	"crypto/sha256"
	"encoding/hex"
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
	// Warnings are what is wrong with the measurements or the topology, and was left out of the costs.
	Warnings []string `json:"warnings,omitempty"`
	// Requests are how long requests to the running candidates take, wherever traffic is.
	Requests []RequestLatency `json:"requests,omitempty"`
	// Inputs are everything the ranking was computed from: the same bytes can be computed from them again.
	Inputs json.RawMessage `json:"inputs,omitempty"`
	// Declared is the hash of the topology without what was discovered.
	Declared string `json:"declared,omitempty"`
	// Digest is the SHA-256 of the JSON form, in hex digits. Only an evaluation carries it, so that what is computed again can be told from what was published.
	Digest string `json:"-"`
}

// Of says whether the ranking was made for a topology. That an endpoint is at another address since, by discovery, leaves it one to choose by: what is measured there now, its gates say.
func (r Ranking) Of(t Topology) bool {
	return r.Topology == t.Hash() || r.Declared != "" && r.Declared == t.Declared().Hash()
}

// Order is the candidates as they are published, best first, when traffic is in the active region: by cost, but for the choice, which comes before every
// other candidate outside the active region that may be moved to.
type Order struct {
	Active string `json:"active"`
	// Choice is where traffic would go, Raw where it would by this window alone; zero when nowhere is possible. Choice changes only by margin and confidence.
	Choice Candidate `json:"choice,omitzero"`
	Raw    Candidate `json:"raw,omitzero"`
	// Warming says that too little time was seen to hold anything against the raw choice.
	Warming bool `json:"warming,omitempty"`
	// Reason is why the choice is not the raw one, or why it has changed.
	Reason string `json:"reason,omitempty"`
	// Stability is what the next ranking's choice depends on beside its own measurements.
	Stability  json.RawMessage   `json:"stability,omitempty"`
	Candidates []RankedCandidate `json:"candidates"`
}

// RankedCandidate is one candidate with its cost, how sure that is, and every gate.
type RankedCandidate struct {
	Candidate
	// Rank counts from 1; candidates that the data can not tell from the first of their group share a rank.
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
	// PBest is the probability that no candidate with enough samples is cheaper, RegretMS what choosing it costs over the best on average, in milliseconds.
	// Both are 0 when Enough is false.
	PBest    float64 `json:"p_best,omitempty"`
	RegretMS float64 `json:"regret_ms,omitempty"`
	// Doubt is why the data can not tell it from the first of its rank, or what is missing.
	Doubt string `json:"doubt,omitempty"`
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
	// Value is what the gate looked at and Threshold what that is held against: a number with a space and its unit where there is one, else a word or a
	// list. Both have the same unit, so that they can be compared; empty where the condition is yes or no, or nothing is known.
	Value     string `json:"value,omitempty"`
	Threshold string `json:"threshold,omitempty"`
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
		for _, k := range []Candidate{o.Choice, o.Raw} {
			if k != (Candidate{}) {
				c.candidate("choice", k)
			}
		}
		c.that(len(o.Stability) == 0 || json.Valid(o.Stability), "stability is not JSON")
		for _, k := range o.Candidates {
			c.candidate("candidate", k.Candidate)
			c.finite("cost", k.CostMS, k.LowMS, k.HighMS, k.PBest, k.RegretMS)
			c.serve(k.ServeMS)
			for _, g := range k.Gates {
				c.optionalTime("evidence_at", g.EvidenceAt)
			}
		}
	}
	return c.err()
}

// Hash is the digest of the ranking's JSON form, which is what the bucket holds.
func (r Ranking) Hash() (string, error) {
	data, err := json.Marshal(r)
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), err
}

// Key is the app.
func (r Ranking) Key() []string { return []string{r.App} }

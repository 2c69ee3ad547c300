package demo

import (
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// Report is what the demo saw: the last line of its output.
type Report struct {
	OK bool `json:"ok"`
	// Simulated is what the API says of its regions.
	Simulated bool `json:"simulated,omitempty"`
	// UID is the user that the demo, and in simulated regions all of Leeward, ran as.
	UID              int        `json:"uid"`
	Error            string     `json:"error,omitempty"`
	Variants         int        `json:"variants"`
	Regions          int        `json:"regions"`
	BuildSeconds     float64    `json:"build_seconds,omitempty"`
	ReplicateSeconds float64    `json:"replicate_seconds,omitempty"`
	Samples          uint64     `json:"samples"`
	Ranking          []Ranked   `json:"ranking"`
	Lag              Lag        `json:"lag"`
	Failovers        []Failover `json:"failovers"`
	// Images are the variants as measured on this machine.
	Images []Image `json:"images"`
	// Killed are the processes that were killed with signal 9 on the way.
	Killed []string `json:"killed,omitempty"`
	// GoalsMissed are figures that fell short of what they should be; they do not make the demo fail.
	GoalsMissed []string `json:"goals_missed,omitempty"`
}

// Ranked is one candidate of the ranking.
type Ranked struct {
	Region   string         `json:"region"`
	Variant  string         `json:"variant"`
	CostMS   float64        `json:"cost_ms"`
	LowMS    float64        `json:"low_ms"`
	HighMS   float64        `json:"high_ms"`
	Eligible bool           `json:"eligible"`
	Gates    []schemas.Gate `json:"gates"`
}

// Lag is what became of a region's gate while its replica stood still, in milliseconds.
type Lag struct {
	Region   string  `json:"region"`
	RPOMS    float64 `json:"rpo_ms"`
	PausedMS float64 `json:"paused_ms"`
	// ClosedMS is from the pause until the ranking showed the gate closed, ReopenedMS from the resumption until it showed it open.
	ClosedMS   float64 `json:"closed_ms"`
	ReopenedMS float64 `json:"reopened_ms"`
	// Evidence is the reason that the ranking gave.
	Evidence string `json:"evidence"`
}

// Failover is one move with the parts of its delay, in milliseconds.
type Failover struct {
	Trigger string `json:"trigger"`
	// Via is who noticed: a webhook that the demo posts itself, the vantages' verdicts, or prometheus, whose alert comes through Alertmanager.
	Via  string `json:"via"`
	From string `json:"from"`
	To   string `json:"to"`
	// DetectMS is from the kill to the first down verdict, QuorumMS from the kill to the quorum.
	DetectMS float64 `json:"detect_ms"`
	QuorumMS float64 `json:"quorum_ms"`
	// ShiftMS is from the quorum to the first 2xx that carries the new region's instance.
	ShiftMS float64 `json:"shift_ms"`
	// What lies between the first down verdict and the shift when it was Prometheus who noticed: PendingMS until an evaluation finds the rule true, ForMS until the alert fires,
	// GroupWaitMS until the gateway has the webhook, ConfirmMS until the vantages have looked again and the quorum stands. With DetectMS before and ShiftMS after they add up to KillToFirstRequestMS.
	PendingMS   float64 `json:"pending_ms,omitempty"`
	ForMS       float64 `json:"for_ms,omitempty"`
	GroupWaitMS float64 `json:"group_wait_ms,omitempty"`
	ConfirmMS   float64 `json:"confirm_ms,omitempty"`
	// Configured are the rule's `for` and the route's `group_wait`.
	Configured *Waits `json:"configured,omitempty"`
	// RTTMS is the round trip between the entry and the new region; OverheadMS what of the shift is not two of them.
	RTTMS      float64 `json:"rtt_ms"`
	OverheadMS float64 `json:"overhead_ms"`
	// AlertToFirstRequestMS is from the later of the alert's first byte and the quorum; 0 without an alert.
	AlertToFirstRequestMS float64 `json:"alert_to_first_request_ms,omitempty"`
	KillToFirstRequestMS  float64 `json:"kill_to_first_request_ms"`
	// Requests and Failed count what the client sent from the kill until two seconds after the first answer from the new region.
	Requests int `json:"requests"`
	Failed   int `json:"failed"`
}

// Waits are what Prometheus and Alertmanager are told to wait, in milliseconds.
type Waits struct {
	ForMS       float64 `json:"for_ms"`
	GroupWaitMS float64 `json:"group_wait_ms"`
}

// The goals of a failover.
const (
	goalOverheadMS       = 50
	goalKillByVerdictsMS = 6000
)

// goalRounds is how many rounds of the probers a gate may take to close once the lag has passed the limit.
const goalRounds = 2

// goals names what fell short; round is the probers'.
func (r *Report) goals(round time.Duration) {
	if r.Lag.ClosedMS > r.Lag.RPOMS+goalRounds*ms(round) {
		r.GoalsMissed = append(r.GoalsMissed, "lag closed_ms")
	}
	for _, f := range r.Failovers {
		if f.OverheadMS > goalOverheadMS {
			r.GoalsMissed = append(r.GoalsMissed, "overhead_ms by "+f.Via)
		}
		if f.Trigger == schemas.TriggerVerdicts && f.KillToFirstRequestMS > goalKillByVerdictsMS {
			r.GoalsMissed = append(r.GoalsMissed, "kill_to_first_request_ms by "+f.Trigger)
		}
	}
}

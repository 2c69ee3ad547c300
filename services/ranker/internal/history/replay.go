package history

import (
	"slices"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// Difference is a time in which another policy would have chosen another candidate for an active region; zero stands for none.
type Difference struct {
	Active    string            `json:"active"`
	From      time.Time         `json:"from"`
	To        time.Time         `json:"to"`
	Published schemas.Candidate `json:"published"`
	Instead   schemas.Candidate `json:"instead"`
	// Rankings is how many rankings the time holds, Reason what the first of them says of its choice.
	Rankings int    `json:"rankings"`
	Reason   string `json:"reason,omitempty"`
}

// Failover is a failover of the past that would have gone elsewhere.
type Failover struct {
	Plan    string            `json:"plan"`
	At      time.Time         `json:"at"`
	From    schemas.Candidate `json:"from"`
	To      schemas.Candidate `json:"to"`
	Instead schemas.Candidate `json:"instead"`
}

// Report is what another policy would have done with an app's history.
type Report struct {
	App         string       `json:"app"`
	Rankings    int          `json:"rankings"`
	From        time.Time    `json:"from,omitzero"`
	To          time.Time    `json:"to,omitzero"`
	Differences []Difference `json:"differences"`
	// Decided is how many failovers were decided by alerts or verdicts.
	Decided   int        `json:"decided"`
	Failovers []Failover `json:"failovers"`
}

// Replay plays rankings, oldest first, to another policy.
type Replay struct {
	policy schemas.App
	// decided are the failovers that are still to come.
	decided []Failover
	before  schemas.Ranking
	report  Report
	// open are the differences that have not ended, by active region.
	open map[string]*Difference
}

// NewReplay takes the app with its other policy, and the failovers that were decided, oldest first.
func NewReplay(policy schemas.App, decided []Failover) *Replay {
	return &Replay{policy: policy, decided: decided, open: map[string]*Difference{},
		report: Report{App: policy.Name, Differences: []Difference{}, Failovers: []Failover{}, Decided: len(decided)}}
}

// Next plays a ranking whose published choices, by active region, are known.
func (p *Replay) Next(s Stored, published map[string]schemas.Candidate) error {
	r, err := rank.Replay(s.Inputs, p.policy, p.before)
	if err != nil {
		return err
	}
	p.decide(s.At)
	for _, o := range r.Orders {
		p.compare(s.At, o, published[o.Active])
	}
	if p.report.Rankings == 0 {
		p.report.From = s.At
	}
	p.report.Rankings++
	p.report.To, p.before = s.At, r
	return nil
}

// decide judges the failovers before a time by the ranking that held then. Of those before the first ranking nothing can be said.
func (p *Replay) decide(until time.Time) {
	for len(p.decided) > 0 && p.decided[0].At.Before(until) {
		f := p.decided[0]
		p.decided = p.decided[1:]
		i := slices.IndexFunc(p.before.Orders, func(o schemas.Order) bool { return o.Active == f.From.Region })
		if i < 0 {
			continue
		}
		if f.Instead = p.before.Orders[i].Choice; f.Instead != f.To {
			p.report.Failovers = append(p.report.Failovers, f)
		}
	}
}

func (p *Replay) compare(at time.Time, o schemas.Order, published schemas.Candidate) {
	d := p.open[o.Active]
	if d != nil && (d.Published != published || d.Instead != o.Choice) {
		p.close(o.Active)
		d = nil
	}
	if published == o.Choice {
		return
	}
	if d == nil {
		d = &Difference{Active: o.Active, From: at, Published: published, Instead: o.Choice, Reason: o.Reason}
		p.open[o.Active] = d
	}
	d.To = at
	d.Rankings++
}

func (p *Replay) close(active string) {
	p.report.Differences = append(p.report.Differences, *p.open[active])
	delete(p.open, active)
}

// Report is what was found, with the differences in the order of their beginning.
func (p *Replay) Report() Report {
	p.decide(time.Unix(1<<40, 0))
	for active := range p.open {
		p.close(active)
	}
	slices.SortFunc(p.report.Differences, func(a, b Difference) int {
		if c := a.From.Compare(b.From); c != 0 {
			return c
		}
		return schemas.Candidate{Region: a.Active}.Compare(schemas.Candidate{Region: b.Active})
	})
	return p.report
}

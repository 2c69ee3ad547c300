package console

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// change is a publication of an order that was not the one before.
type change struct {
	At       time.Time
	Choice   schemas.Candidate
	Reason   string
	Eligible int
	Of       int
}

// lane is a candidate with the times at which it was the choice, in units of the drawing.
type lane struct {
	schemas.Candidate
	Y     int
	Spans []span
}

type span struct {
	X, W float64
	Says string
}

type historyBody struct {
	// Changes are the newest first.
	Changes     []change
	Lanes       []lane
	H           int
	From, Until time.Time
}

const (
	// manyChanges is how many changes a page shows.
	manyChanges = 50
	historyW    = 640.0
	laneH       = 22
)

// history is how the order for an active region came to be what it is, as far as the events at hand go back.
func (r *recent) history(app, active string, now time.Time) historyBody {
	topic := schemas.RankingChangedTopic.Contract().Name
	facts, _ := r.pick(manyChanges*20, func(f fact) bool { return f.Type == topic && f.App == app })
	var b historyBody
	for _, f := range facts {
		e, err := schemas.RankingChangedTopic.Decode(f.Subject, f.Data)
		if err == nil && e.Active == active && len(b.Changes) < manyChanges {
			b.Changes = append(b.Changes, change{e.At, e.Choice, e.Reason, len(e.Eligible), len(e.Order)})
		}
	}
	if len(b.Changes) > 0 {
		b.From, b.Until = b.Changes[len(b.Changes)-1].At, now
		b.Lanes = lanes(b.Changes, now)
		b.H = len(b.Lanes) * laneH
	}
	return b
}

// lanes draws from when to when each candidate was the choice, up to now.
func lanes(changes []change, now time.Time) []lane {
	from := changes[len(changes)-1].At
	whole := max(now.Sub(from), time.Second).Seconds()
	var all []lane
	for i := len(changes) - 1; i >= 0; i-- {
		began, ended, choice := changes[i].At, now, changes[i].Choice
		if i > 0 {
			ended = changes[i-1].At
		}
		if choice == (schemas.Candidate{}) {
			continue
		}
		at := slices.IndexFunc(all, func(l lane) bool { return l.Candidate == choice })
		if at < 0 {
			at = len(all)
			all = append(all, lane{Candidate: choice})
		}
		x := historyW * began.Sub(from).Seconds() / whole
		w := historyW * ended.Sub(began).Seconds() / whole
		all[at].Spans = append(all[at].Spans, span{tenth(x), max(tenth(w), 1), fmt.Sprintf("%s for %s from %s", choice, ended.Sub(began).Round(time.Second), began.UTC().Format(time.TimeOnly))})
	}
	slices.SortFunc(all, func(a, b lane) int { return a.Candidate.Compare(b.Candidate) })
	for i := range all {
		all[i].Y = i * laneH
	}
	return all
}

func tenth(x float64) float64 { return math.Round(10*x) / 10 }

// Package verdict judges the health of an app in a region from what a vantage's rounds saw. It is pure: the caller measures and brings the time.
package verdict

import (
	"fmt"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// Policy says what it takes to change the judgement.
type Policy struct {
	// DownAfter and UpAfter count rounds in a row.
	DownAfter, UpAfter int
	// MaxLatency is what the quantile of the latency should stay within, 0 for anything.
	MaxLatency time.Duration
	Quantile   float64
}

// State is what a vantage knows of an app in a region. The zero value has seen nothing.
type State struct {
	Health schemas.Health
	Since  time.Time
	// Rounds counts the rounds judged; Failed and Good those in a row up to the latest.
	Rounds       uint64
	Failed, Good int
	Reason       string
	recent       recent
}

// Start is the state of a vantage that has seen nothing yet: it is blind, which accuses nobody.
func Start(at time.Time) State {
	return State{Health: schemas.Blind, Since: at, Reason: "not enough rounds yet"}
}

// Round judges a regular round. A judgement of up or degraded follows every good round; down takes the policy's failed rounds in a row, and the way back its good ones.
// A vantage that lost sight of its anchors starts anew when it sees again.
func (s State) Round(l Look, p Policy) State {
	s.Rounds++
	if l.Sighted {
		s.recent = s.recent.add(l, p)
	}
	switch {
	case !l.Sighted:
		return s.blind(l)
	case l.Good():
		s = s.good()
		if s.Health == schemas.Up || s.Health == schemas.Degraded || s.Good >= p.UpAfter {
			s = s.turn(l, s.health(l))
			if s.recent.beyond && l.health() == schemas.Up {
				s.Reason = s.recent.reason(p)
			}
			return s
		}
		s.Reason = fmt.Sprintf("%d of %d good rounds", s.Good, p.UpAfter)
	default:
		s = s.failed()
		if s.Health == schemas.Down || s.Failed >= p.DownAfter {
			return s.turn(l, schemas.Down)
		}
		s.Reason = fmt.Sprintf("%d of %d failed rounds: %s", s.Failed, p.DownAfter, l.trouble())
	}
	return s
}

// Accuses says whether judging a round would newly call the region down.
func (s State) Accuses(l Look, p Policy) bool {
	return s.Health != schemas.Down && s.Round(l, p).Health == schemas.Down
}

// Doubts says whether a failed look on request needs a second one, because nothing failed before it.
func (s State) Doubts(l Look) bool { return !l.Good() && s.Failed == 0 }

// Answer judges a look on request: it decides at once, either way.
func (s State) Answer(l Look) State {
	switch {
	case !l.Sighted:
		return s.blind(l)
	case l.Good():
		return s.good().turn(l, s.health(l))
	default:
		return s.failed().turn(l, schemas.Down)
	}
}

// health is the judgement of a good look after the rounds before it.
func (s State) health(l Look) schemas.Health {
	if s.recent.beyond {
		return schemas.Degraded
	}
	return l.health()
}

func (s State) blind(l Look) State {
	s.Failed, s.Good, s.recent = 0, 0, recent{}
	return s.turn(l, schemas.Blind)
}

func (s State) good() State {
	s.Good, s.Failed = s.Good+1, 0
	return s
}

func (s State) failed() State {
	s.Failed, s.Good = s.Failed+1, 0
	return s
}

func (s State) turn(l Look, h schemas.Health) State {
	if s.Health != h {
		s.Health, s.Since = h, l.At
	}
	switch h {
	case schemas.Blind:
		s.Reason = "the anchors do not answer"
	case schemas.Down:
		s.Reason = fmt.Sprintf("%d failed in a row: %s", s.Failed, l.trouble())
	default:
		s.Reason = l.trouble()
	}
	return s
}

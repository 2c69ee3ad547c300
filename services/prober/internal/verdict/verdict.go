// Package verdict judges the health of an app in a region from what a vantage's rounds saw. It is pure: the caller measures and brings the time.
package verdict

import (
	"fmt"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// Policy says how many rounds in a row it takes to change the judgement.
type Policy struct{ DownAfter, UpAfter int }

// State is what a vantage knows of an app in a region. The zero value has seen nothing.
type State struct {
	Health schemas.Health
	Since  time.Time
	// Rounds counts the rounds judged; Failed and Good those in a row up to the latest.
	Rounds       uint64
	Failed, Good int
	Reason       string
}

// Start is the state of a vantage that has seen nothing yet: it is blind, which accuses nobody.
func Start(at time.Time) State {
	return State{Health: schemas.Blind, Since: at, Reason: "not enough rounds yet"}
}

// Round judges a regular round. A judgement of up or degraded follows every good round; down takes the policy's failed rounds in a row, and the way back its good ones.
// A vantage that lost sight of its anchors starts anew when it sees again.
func (s State) Round(l Look, p Policy) State {
	s.Rounds++
	switch {
	case !l.Sighted:
		return s.blind(l)
	case l.Good():
		s = s.good()
		if s.Health == schemas.Up || s.Health == schemas.Degraded || s.Good >= p.UpAfter {
			return s.turn(l, l.health())
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
		return s.good().turn(l, l.health())
	default:
		return s.failed().turn(l, schemas.Down)
	}
}

func (s State) blind(l Look) State {
	s.Failed, s.Good = 0, 0
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

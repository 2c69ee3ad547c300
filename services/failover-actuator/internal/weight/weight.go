// Package weight holds how traffic is shared among the candidates of an app, in percent, and its one-line form in a plan's journal. It is pure.
package weight

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/leeward-failover/leeward/schemas"
)

// Whole is the weight of a candidate that gets all traffic.
const Whole = 100

// Set is the share of each candidate in percent; one that is not listed gets nothing.
type Set map[schemas.Candidate]int

// All sends everything to one candidate.
func All(c schemas.Candidate) Set { return Set{c: Whole} }

// Moved is the set when share percent has moved from one candidate to the other.
func Moved(from, to schemas.Candidate, share int) Set {
	s := Set{to: share}
	if share < Whole {
		s[from] = Whole - share
	}
	return s
}

// Validate refuses a set that would send traffic nowhere.
func (s Set) Validate() error {
	sum := 0
	for c, w := range s {
		if w < 0 || w > Whole {
			return fmt.Errorf("weight %d of %s is not between 0 and %d", w, c, Whole)
		}
		sum += w
	}
	if sum == 0 {
		return fmt.Errorf("no candidate would get any traffic")
	}
	return nil
}

// Equal says whether two sets share traffic alike.
func (s Set) Equal(o Set) bool { return s.String() == o.String() }

// Sole returns the candidate that gets everything, if there is one.
func (s Set) Sole() (schemas.Candidate, bool) {
	if in := s.candidates(); len(in) == 1 {
		return in[0], true
	}
	return schemas.Candidate{}, false
}

// candidates lists those that get traffic, in order.
func (s Set) candidates() []schemas.Candidate {
	var in []schemas.Candidate
	for c, w := range s {
		if w > 0 {
			in = append(in, c)
		}
	}
	slices.SortFunc(in, schemas.Candidate.Compare)
	return in
}

// String lists who gets how much, as in frankfurt/slim=95 london/slim=5.
func (s Set) String() string {
	var parts []string
	for _, c := range s.candidates() {
		parts = append(parts, c.String()+"="+strconv.Itoa(s[c]))
	}
	return strings.Join(parts, " ")
}

// Parse reads what String wrote.
func Parse(text string) (Set, error) {
	s := Set{}
	for _, part := range strings.Fields(text) {
		name, number, _ := strings.Cut(part, "=")
		region, variant, ok := strings.Cut(name, "/")
		w, err := strconv.Atoi(number)
		if err != nil || !ok {
			return nil, fmt.Errorf("%q is not a weight such as london/slim=100", part)
		}
		s[schemas.Candidate{Region: region, Variant: variant}] = w
	}
	return s, s.Validate()
}

package rank

// A step counts as one when it explains this much of the blocks' differences, and at least so many blocks lie on either side.
const (
	explained = 0.9
	sided     = 2
)

// steady is the luck of the blocks without a step: a window in which a lasting change happened is taken as two parts, each with its own level,
// and the truth as what both together give. The block in which the change happened belongs to neither.
func steady(luck []float64) []float64 {
	at, _ := step(luck)
	if at < 0 {
		return luck
	}
	rest := make([]float64, len(luck))
	centred(rest[:at], luck[:at])
	centred(rest[at+1:], luck[at+1:])
	return rest
}

// residue is the sum of the squares of the luck without a step.
func residue(luck []float64) float64 {
	_, left := step(luck)
	return left
}

// step finds the block in which a step explains the most, or -1, and the sum of squares that is left then.
func step(luck []float64) (at int, least float64) {
	total, at := squares(luck), -1
	n := len(luck)
	if n < 2*sided+1 || total == 0 {
		return -1, total
	}
	// after holds the sum of squares from each block on.
	after := make([]float64, n+1)
	var right, left scatter
	for b := n - 1; b >= 0; b-- {
		right.add(luck[b])
		after[b] = right.squares
	}
	least = (1 - explained) * total
	for b := range n - sided {
		if b >= sided && left.squares+after[b+1] < least {
			at, least = b, left.squares+after[b+1]
		}
		left.add(luck[b])
	}
	if at < 0 {
		return -1, total
	}
	return at, least
}

// scatter is the sum of squares about the mean of what was added: Welford, "Note on a Method for Calculating Corrected Sums of Squares and Products", 1962.
type scatter struct{ n, mean, squares float64 }

func (s *scatter) add(x float64) {
	s.n++
	off := x - s.mean
	s.mean += off / s.n
	s.squares += off * (x - s.mean)
}

// centred takes the mean off.
func centred(rest, all []float64) {
	mean := 0.0
	for _, x := range all {
		mean += x / float64(len(all))
	}
	for i, x := range all {
		rest[i] = x - mean
	}
}

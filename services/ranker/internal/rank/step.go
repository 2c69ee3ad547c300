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
	var whole, left moments
	for _, x := range luck {
		whole.add(x)
	}
	at, least = -1, (1-explained)*whole.squares
	for b, x := range luck {
		with := left
		with.add(x)
		if b >= sided && b+1+sided <= len(luck) {
			if rest := left.about() + whole.less(with).about(); rest < least {
				at, least = b, rest
			}
		}
		left = with
	}
	if at < 0 {
		return -1, whole.squares
	}
	return at, least
}

// moments are how many numbers there are, their sum and that of their squares.
type moments struct{ n, sum, squares float64 }

func (m *moments) add(x float64) {
	m.n++
	m.sum += x
	m.squares += x * x
}

func (m moments) less(o moments) moments {
	return moments{m.n - o.n, m.sum - o.sum, m.squares - o.squares}
}

// about is the sum of squares about the mean.
func (m moments) about() float64 { return max(0, m.squares-m.sum*m.sum/m.n) }

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

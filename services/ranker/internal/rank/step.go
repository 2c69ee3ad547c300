package rank

// A step counts as one when it explains this much of the blocks' differences, and at least so many blocks lie on either side.
const (
	explained = 0.9
	sided     = 2
)

// steady is the luck of the blocks without a step: a window in which a lasting change happened is taken as two parts, each with its own level,
// and the truth as what both together give. The block in which the change happened belongs to neither.
func steady(luck, weights []float64) []float64 {
	at, _ := step(luck, weights)
	if at < 0 {
		return luck
	}
	rest := make([]float64, len(luck))
	centred(rest[:at], luck[:at], weights)
	centred(rest[at+1:], luck[at+1:], weights[at+1:])
	return rest
}

// residue is the sum of the squares of the luck without a step.
func residue(luck, weights []float64) float64 {
	_, left := step(luck, weights)
	return left
}

// step finds the block in which a step explains the most, or -1, and the sum of squares that is left then. A level moves each block's luck by its weight.
func step(luck, weights []float64) (at int, least float64) {
	var whole, left moments
	for b, x := range luck {
		whole.add(x, weights[b])
	}
	at, least = -1, (1-explained)*whole.squares
	for b, x := range luck {
		with := left
		with.add(x, weights[b])
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

// moments are the sums of the squares of weights, of numbers by their weights, and of the squares of the numbers.
type moments struct{ weights, sum, squares float64 }

func (m *moments) add(x, weight float64) {
	m.weights += weight * weight
	m.sum += weight * x
	m.squares += x * x
}

func (m moments) less(o moments) moments {
	return moments{m.weights - o.weights, m.sum - o.sum, m.squares - o.squares}
}

// level is what the numbers are in proportion to their weights.
func (m moments) level() float64 { return m.sum / m.weights }

// about is the sum of squares about the level.
func (m moments) about() float64 { return max(0, m.squares-m.sum*m.level()) }

// centred takes the level off.
func centred(rest, all, weights []float64) {
	var m moments
	for b, x := range all {
		m.add(x, weights[b])
	}
	for b, x := range all {
		rest[b] = x - weights[b]*m.level()
	}
}

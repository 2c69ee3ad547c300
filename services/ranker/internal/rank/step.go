package rank

// A step counts as one when it explains this much of the blocks' differences, and at least so many blocks lie on either side.
const (
	explained = 0.9
	sided     = 2
)

// steady is the luck of the blocks without a step: a window in which a lasting change happened is taken as two parts, each with its own level,
// and the truth as what both together give. The block in which the change happened belongs to neither.
func steady(luck []float64) []float64 {
	total := squares(luck)
	at, least := -1, (1-explained)*total
	for b := sided; b+1+sided <= len(luck); b++ {
		if left := squares(centred(luck[:b])) + squares(centred(luck[b+1:])); left < least {
			at, least = b, left
		}
	}
	if at < 0 {
		return luck
	}
	return append(append(centred(luck[:at]), 0), centred(luck[at+1:])...)
}

// centred takes the mean off.
func centred(all []float64) []float64 {
	mean := 0.0
	for _, x := range all {
		mean += x / float64(len(all))
	}
	rest := make([]float64, len(all))
	for i, x := range all {
		rest[i] = x - mean
	}
	return rest
}

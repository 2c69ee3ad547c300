package backtest

// A week's figure is the average of about 30 days, so neighbours share three weeks, and one bad day is seen in four figures. The ranker's windows must not share
// samples, so it is not shown the averages, but what is expected to last of them: a rise that the next week did not repeat is of days that are over, and they leave
// the average when the rise is four weeks old.
const (
	// shared is for how many weeks a day stays in the averages.
	shared = 4
	// fade is the part of such a rise that is taken off for each week of its age, the week in which it came being the first.
	fade = 0.1
)

// lasting returns the weeks as the ranker sees them, each by itself and those before it.
func lasting(weeks []Week) []Week {
	all := make([]Week, len(weeks))
	for t, w := range weeks {
		all[t] = make(Week, len(w))
		for from := range w {
			for to, ms := range w[from] {
				for age := range min(shared, t) {
					ms -= fade * float64(age+1) * spell(weeks[:t+1], age, from, to)
				}
				all[t][from] = append(all[t][from], ms)
			}
		}
	}
	return all
}

// spell is by how much the average rose so many weeks ago, less what it rose the week after.
func spell(weeks []Week, age, from, to int) float64 {
	rise := func(age int) float64 {
		t := len(weeks) - 1 - age
		if d := weeks[t][from][to] - weeks[t-1][from][to]; d > 0 {
			return d
		}
		return 0 // nor does a week without a figure say anything
	}
	if age == 0 {
		return rise(0)
	}
	return max(0, rise(age)-rise(age-1))
}

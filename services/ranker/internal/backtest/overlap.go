package backtest

// A week's figure is the average of about 30 days, so that four figures show the same bad day, and the ranker's windows must not share samples. It is therefore not
// shown the average, but what is expected to last of it: a rise that the next week did not repeat is of days that are over, and they leave the average when it is
// four weeks old.
const (
	// shared is for how many weeks a day stays in the average.
	shared = 4
	// fade is the part of such a rise that is taken off in its first week, and again in each week after it. A quarter would be right for the mean of the next four
	// figures if each such rise were over; many are not.
	fade = 0.1
)

// Lasting returns the weeks as the ranker sees them, each made of itself and of those before it.
func Lasting(weeks []Week) []Week {
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

// spell is by how much the average rose so many weeks ago, less what it rose in the week after.
func spell(weeks []Week, age, from, to int) float64 {
	rise := func(age int) float64 {
		t := len(weeks) - 1 - age
		if d := weeks[t][from][to] - weeks[t-1][from][to]; d > 0 {
			return d
		}
		return 0 // A week without a figure says nothing either.
	}
	if age == 0 {
		return rise(0)
	}
	return max(0, rise(age)-rise(age-1))
}

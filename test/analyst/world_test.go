package analyst_test

import (
	"math/rand/v2"
	"slices"
	"time"
)

// sample is a row of the table samples.
type sample struct {
	due                                             time.Time
	app, kind, vantage, region, variant, outcome    string
	latency, dns, connect, tls, firstByte, transfer uint32
	storedAfter                                     int32
	spooled                                         bool
	boot, counter                                   uint64
	row                                             uint16
	lost                                            bool // never arrived
	quarantined, quarantinedEarly                   bool
}

var (
	vantages = []string{"frankfurt", "madrid", "tokyo"}
	regions  = []string{"dallas", "frankfurt", "london"}
	variants = []string{"nginx", "slim"}
	kinds    = []string{"http", "icmp", "tcp"}
)

const (
	round = 10 * time.Second
	hours = 4
)

// world is what happened, generated: four hours around a midnight, in which London answers nobody for eleven minutes and Tokyo's vantage for twelve; that vantage is cut off for five,
// one variant is ill in Dallas, and Madrid's prober starts anew, loses batches and has some of every other trouble.
type world struct {
	start   time.Time
	samples []sample
}

func generate() world {
	midnight := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -1)
	w := world{start: midnight.Add(-2 * time.Hour)}
	random := rand.New(rand.NewPCG(1, 2))
	for v, vantage := range vantages {
		boot, counter := w.start.AddDate(0, 0, -3), uint64(1000)
		for at := time.Duration(0); at < hours*time.Hour; at += round {
			if vantage == "madrid" && at == 90*time.Minute {
				boot, counter = w.start.Add(at-time.Second), 0
			}
			counter++
			due := w.start.Add(at + time.Duration(v)*time.Second)
			row := uint16(0)
			for r, region := range regions {
				for i, variant := range variants {
					for _, kind := range kinds {
						row++
						s := sample{due: due, app: "shop", kind: kind, vantage: vantage, region: region, variant: variant, outcome: "ok", boot: uint64(boot.UnixMicro()), counter: counter, row: row, storedAfter: 1}
						path := uint32(5000 + 20_000*((v+r)%3))
						s.connect = path + uint32(random.IntN(2000))
						s.latency = s.connect
						if kind == "http" {
							s.dns, s.tls, s.transfer = 300+uint32(random.IntN(50)), path+uint32(random.IntN(1000)), 400+uint32(random.IntN(100))
							s.firstByte = path + uint32(1000+4000*i+random.IntN(3000))
							s.latency = s.dns + s.connect + s.tls + s.firstByte + s.transfer
						}
						w.trouble(&s, at)
						w.samples = append(w.samples, s)
					}
				}
			}
		}
	}
	return w
}

// within says whether at lies in a stretch of minutes.
func within(at time.Duration, from, minutes int) bool {
	return at >= time.Duration(from)*time.Minute && at < time.Duration(from+minutes)*time.Minute
}

func (w world) trouble(s *sample, at time.Duration) {
	switch {
	case s.region == "london" && s.kind == "http" && (within(at, 70, 11) || s.vantage == "tokyo" && within(at, 69, 1)),
		s.vantage == "tokyo" && within(at, 150, 5),
		s.region == "dallas" && s.variant == "slim" && within(at, 180, 20):
		s.outcome, s.latency = "timeout", 800_000
	}
	if s.vantage != "madrid" {
		return
	}
	switch at {
	// Three batches from just before midnight until after it, and the first two after the prober's start.
	case 2*time.Hour - round, 2 * time.Hour, 2*time.Hour + round, 90 * time.Minute, 90*time.Minute + round:
		s.lost = true
	case 3 * time.Hour:
		s.storedAfter = 61
	case 3*time.Hour + round:
		s.storedAfter, s.spooled = 3600, true
	case 3*time.Hour + 2*round:
		s.storedAfter = -2
	case 3*time.Hour + 3*round:
		s.quarantined = s.row <= 5
		s.quarantinedEarly = s.row == 1
	}
	s.lost = s.lost || within(at, 100, 3)
}

// there gives the samples that are in the table.
func (w world) there() []sample {
	return slices.DeleteFunc(slices.Clone(w.samples), func(s sample) bool { return s.lost || s.quarantined })
}

// duplicated gives rows that are in the table twice, which the recorder would never let happen.
func (w world) duplicated() []sample {
	all := w.there()
	return all[len(all)-3:]
}

package simulate

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

func quick(v, r int, link Link, shock Shock) World {
	app := schemas.App{
		Name: "shop", Source: schemas.Source{Context: "shop"}, Mode: "auto", Variants: []schemas.Variant{{Name: "slim"}},
		Probe:     schemas.Probe{Interval: schemas.Duration(time.Second), Timeout: schemas.Duration(2 * time.Second)},
		Objective: schemas.Objective{Kind: "http", Quantile: 0.95, Window: schemas.Duration(10 * time.Minute)},
		Failover:  schemas.Failover{Quorum: 0.5, MinVantages: 1},
	}
	w := World{Topology: schemas.Topology{Version: 1}, Shock: shock, Regimes: []Regime{{}}}
	for i := range r {
		app.Endpoints = append(app.Endpoints, schemas.Endpoint{Region: fmt.Sprint("r", i), Variant: "slim", HTTP: "http://x"})
		w.Topology.Regions = append(w.Topology.Regions, schemas.Region{Name: fmt.Sprint("r", i)})
	}
	for i := range v {
		w.Topology.Vantages = append(w.Topology.Vantages, schemas.Vantage{Name: fmt.Sprint("v", i)})
		var row []Link
		for j := range r {
			row = append(row, link.scaled(1+.1*float64((i+j)%r)))
		}
		w.Regimes[0].Links = append(w.Regimes[0].Links, row)
	}
	w.Topology.Apps = []schemas.App{app}
	return w
}

func TestQuick(t *testing.T) {
	for _, c := range []struct {
		name  string
		link  Link
		shock Shock
		v     int
	}{
		{"plain", Link{50, .1, 0, 0}, Shock{}, 1},
		{"plain5", Link{50, .1, 0, 0}, Shock{}, 5},
		{"tight5", Link{50, .02, 0, 0}, Shock{}, 5},
		{"outliers5", Link{50, .1, .03, .01}, Shock{}, 5},
		{"outliers5b", Link{50, .1, .05, .0}, Shock{}, 5},
		{"shock5", Link{50, .1, .02, .01}, Shock{.05, 0, 0}, 5},
		{"shockR5", Link{50, .1, .02, .01}, Shock{.05, .05, 0}, 5},
		{"ar5", Link{50, .1, .02, .01}, Shock{.05, .03, .5}, 5},
		{"ar10", Link{50, .1, .02, .01}, Shock{.05, .05, .5}, 10},
	} {
		n, hit, width, bias, above := 0, [4]float64{}, 0., 0., 0.
		for seed := range uint64(300) {
			w := quick(c.v, 3, c.link, c.shock)
			s := NewStream(w, rand.New(rand.NewPCG(seed, 1)))
			s.Advance(10 * time.Minute)
			in, err := s.Inputs()
			if err != nil {
				t.Fatal(err)
			}
			es, err := rank.Estimates(in, w.app(), w.Topology)
			if err != nil {
				t.Fatal(err)
			}
			truth := w.Truth(s.now)
			for i, e := range w.app().Endpoints {
				for _, k := range es {
					if k.Candidate == e.Candidate() {
						n++
						for l, level := range []float64{.5, .8, .9, .95} {
							low, high := k.Interval(level)
							if low <= truth[i] && truth[i] <= high {
								hit[l]++
							}
							if level == .95 {
								if high < truth[i] {
									above++
								}
								width += (high - low) / truth[i]
							}
						}
						bias += k.CostMS/truth[i] - 1
					}
				}
			}
		}
		f := float64(n)
		fmt.Printf("%-10s coverage %.3f %.3f %.3f %.3f (too low %.3f) width %.4f bias %.4f\n", c.name, hit[0]/f, hit[1]/f, hit[2]/f, hit[3]/f, above/f, width/f, bias/f)
	}
}

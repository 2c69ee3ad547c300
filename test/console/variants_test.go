package console_test

import (
	"strings"
	"testing"
)

// TestVariantsStandBesideEachOther reads the scoreboard off the page: images, phases, requests, and what the data can not tell apart.
func TestVariantsStandBesideEachOther(t *testing.T) {
	t.Parallel()
	y := newSystem(t, nil)
	y.populate()
	p := open(t, y.gate.url())
	p.load("/ui/variants?app=shop")
	p.says("benchmarked on builder-1 from each region's registry")
	for key, want := range map[string]string{
		"image-frankfurt-single-cold": "frankfurt single 70.0 MB 3 1.5 MB 6 cold 2.002 s 2.000 s–2.005 s 0.300 s 0.300 s–0.300 s 0.090 s 0.090 s–0.090 s 0.400 s 0.400 s–0.400 s 2.792 s 2.790 s–2.795 s",
		"image-frankfurt-slim-cold":   "frankfurt slim 58.0 MB 3 1.5 MB 6 cold 1.002 s 1.000 s–1.005 s 0.300 s 0.300 s–0.300 s 0.090 s 0.090 s–0.090 s 0.400 s 0.400 s–0.400 s 1.792 s tie 1.790 s–1.795 s",
		"image-frankfurt-slim-warm":   "frankfurt slim 58.0 MB 3 1.5 MB 1 warm 0.004 s 0.080 s 0.350 s 0.430 s",
		"image-tokyo-slim":            "tokyo slim not benchmarked",
		"requests-london-single":      "london single 20.9 ms 20.0–21.7 41.7 ms 40.4–43.4 too few samples 41.7 ms tie 40.4–43.4 590 2 failed 1.6 ms at london",
	} {
		got := strings.Join(strings.Fields(must[string](p, `document.querySelector('[data-key="`+key+`"]').innerText`)), " ")
		if got != want {
			t.Errorf("%s: got\n%s, want\n%s", key, got, want)
		}
	}
	p.quiet()
}

package prober_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/schemas"
)

// perApp is how many targets an app has in the test of reloading; make test-long gives each of its ten a thousand.
var perApp = flag.Int("per-app", 50, "targets of each of ten apps")

// many is a topology of 10 apps from the given one on, each with many targets on the loopback.
func many(first int, interval time.Duration) schemas.Topology {
	t := topology(interval)
	app := t.Apps[0]
	t.Apps = nil
	for a := first; a < first+10; a++ {
		one := app
		one.Name = fmt.Sprintf("app%d", a)
		one.Probe.Timeout = schemas.Duration(interval)
		for i := range *perApp {
			one.Endpoints = append(one.Endpoints, schemas.Endpoint{Region: "tokyo", Variant: fmt.Sprintf("v%d", i), ICMP: fmt.Sprintf("127.%d.%d.%d", 3+a, i/200, 1+i%200)})
		}
		t.Apps = append(t.Apps, one)
	}
	return t
}

// TestReloadNeitherMissesNorDoublesAProbeOfTheRest changes a tenth of the targets; of all others the due times go on as if nothing had happened.
func TestReloadNeitherMissesNorDoublesAProbeOfTheRest(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root")
		}
		t.Skip("needs root for raw sockets")
	}
	interval := 500 * time.Millisecond
	if *perApp > 50 {
		interval = 2 * time.Second
	}
	s := bustest.Start(t, "london")
	apply(t, s, many(0, interval))
	verdicts := mirror(t, s.Connect(schemas.Actuator, ""), schemas.VerdictBucket)
	environment := settings(t, s, t.TempDir())
	environment["LEEWARD_PROBE_RATE"] = "0"
	start(t, environment)
	ready(t, environment)
	await(t, verdicts, "the first apps", health(schemas.Up), "london", "app9", "tokyo")
	before := time.Now().UnixMicro()
	apply(t, s, many(1, interval))
	await(t, verdicts, "the new apps", health(schemas.Up), "london", "app10", "tokyo")
	time.Sleep(2 * interval)
	after := time.Now().UnixMicro()
	due := map[[2]string][]int64{}
	latest := int64(0)
	enough := func(batches []*schemas.SampleBatch) bool {
		b := batches[len(batches)-1]
		for i := range b.Len() {
			one := b.At(i)
			due[[2]string{one.App, one.Variant}] = append(due[[2]string{one.App, one.Variant}], one.DueUS)
			latest = max(latest, one.DueUS)
		}
		return latest > after+2*interval.Microseconds()
	}
	stored(t.Context(), t, s.Connect(schemas.Recorder, ""), enough)
	kept, begun := 0, 0
	for a := range 11 {
		for v := range *perApp {
			of := [2]string{fmt.Sprintf("app%d", a), fmt.Sprintf("v%d", v)}
			times := due[of]
			slices.Sort(times)
			for i := 1; i < len(times); i++ {
				if gap := times[i] - times[i-1]; gap != interval.Microseconds() && times[i] < after {
					t.Fatalf("%v: %d µs between two probes, want %d, around a reload at %d: %v", of, gap, interval.Microseconds(), before, times)
				}
			}
			switch {
			case len(times) == 0:
				t.Fatalf("%v was never measured", of)
			case a >= 1 && a < 10 && times[0] < before && times[len(times)-1] > after:
				kept++
			case a >= 10 && times[0] > before-interval.Microseconds():
				begun++
			case a < 1 && times[len(times)-1] > after:
				t.Fatalf("%v is measured after it was taken out", of)
			}
		}
	}
	if kept != 9**perApp || begun != *perApp {
		t.Errorf("%d targets were measured before and after, %d began; want %d and %d", kept, begun, 9**perApp, *perApp)
	}
}

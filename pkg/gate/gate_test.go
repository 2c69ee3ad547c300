package gate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/pkg/gate"
	"github.com/leeward-failover/leeward/schemas"
)

var (
	now  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	shop = schemas.App{Name: "shop", Source: schemas.Source{Context: "shop"}, Probe: schemas.Probe{Interval: schemas.Duration(time.Second)}, Failover: schemas.Failover{Quorum: 0.6, MinVantages: 3}}
	slim = schemas.Candidate{Region: "london", Variant: "slim"}
)

// world is five vantages written as letters: u up, g degraded, d down, x up though the variant slim does not answer,
// b cannot reach its anchors, p presence expired, f presence from the future, v verdict expired, n no verdict, a absent.
func world(letters string) (verdicts []schemas.Verdict, presences []schemas.Presence) {
	names := []string{"dallas", "frankfurt", "london", "madrid", "tokyo"}
	for i, letter := range letters {
		at := now.Add(-time.Second)
		v := schemas.Verdict{Vantage: names[i], App: "shop", Region: "london", At: at, Health: schemas.Up, Reason: "",
			Variants: []schemas.VariantHealth{{Variant: "single", OK: true}, {Variant: "slim", OK: true}}}
		p := schemas.Presence{Vantage: names[i], Sighted: true, Anchors: 3, AnchorsReachable: 3, At: at}
		switch letter {
		case 'g':
			v.Health = schemas.Degraded
		case 'd':
			v.Health, v.Reason, v.Variants = schemas.Down, "3 rounds failed", nil
		case 'x':
			v.Variants[1].OK = false
		case 'b':
			p.Sighted, p.AnchorsReachable = false, 1
		case 'p':
			p.At = now.Add(-4*time.Second - time.Millisecond)
		case 'f':
			p.At = now.Add(5 * time.Second)
		case 'v':
			v.At = now.Add(-4*time.Second - time.Millisecond)
		}
		if letter != 'a' {
			presences = append(presences, p)
		}
		if letter != 'n' {
			verdicts = append(verdicts, v)
		}
	}
	return verdicts, presences
}

func TestBlindVantagesHaveNoVote(t *testing.T) {
	verdicts, presences := world("dbpva")
	// Another app's and another region's verdicts are nobody's business here.
	other := verdicts[0]
	other.App, other.Health = "blog", schemas.Up
	elsewhere := verdicts[0]
	elsewhere.Region, elsewhere.Health = "tokyo", schemas.Up
	got := gate.Votes(shop, "london", append(verdicts, other, elsewhere), presences, now)
	want := []schemas.QuorumVote{
		{Vantage: "dallas", Health: schemas.Down, At: now.Add(-time.Second), Reason: "3 rounds failed"},
		{Vantage: "frankfurt", Health: schemas.Blind, At: now.Add(-time.Second), Reason: "reaches 1 of 3 anchors"},
		{Vantage: "london", Health: schemas.Blind, At: now.Add(-4*time.Second - time.Millisecond), Reason: "presence expired 1ms ago"},
		{Vantage: "madrid", Health: schemas.Blind, At: now.Add(-4*time.Second - time.Millisecond), Reason: "verdict expired 1ms ago"},
		{Vantage: "tokyo", Health: schemas.Blind, Reason: "not present"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	verdicts, presences = world("nf")
	got = gate.Votes(shop, "london", verdicts, presences, now)
	want = []schemas.QuorumVote{
		{Vantage: "dallas", Health: schemas.Blind, At: now.Add(-time.Second), Reason: "no verdict yet"},
		{Vantage: "frankfurt", Health: schemas.Blind, At: now.Add(5 * time.Second), Reason: "presence dated 5s ahead"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestQuorumDecidesDown(t *testing.T) {
	for _, c := range []struct {
		world             string
		down              bool
		sighted, accusing int
	}{
		{"ddduu", true, 5, 3},
		{"dduuu", false, 5, 2},
		{"ddddd", true, 5, 5},
		{"dddba", true, 3, 3},
		{"ddbbb", false, 2, 2}, // too few see anything
		{"bbbbb", false, 0, 0},
		{"", false, 0, 0},
		{"gguuu", false, 5, 0},
		{"dgb", false, 2, 1},
	} {
		verdicts, presences := world(c.world)
		down, sighted, accusing := gate.Down(gate.Votes(shop, "london", verdicts, presences, now), 0.6, 3)
		if down != c.down || sighted != c.sighted || accusing != c.accusing {
			t.Errorf("%q: down %v, sighted %d, accusing %d; want %v, %d, %d", c.world, down, sighted, accusing, c.down, c.sighted, c.accusing)
		}
	}
	if down, _, _ := gate.Down(nil, 0, 0); down {
		t.Error("nobody is a quorum")
	}
}

func TestHealthyNeedsAQuorumThatSeesRegionAndVariant(t *testing.T) {
	for _, c := range []struct {
		world                      string
		result                     schemas.GateResult
		evidence, value, threshold string
	}{
		{"uuuud", schemas.Pass, "4 of 5 sighted vantages say up", "4 vantages", "3 vantages"},
		{"uuuga", schemas.Pass, "4 of 4 sighted vantages say up", "4 vantages", "3 vantages"},
		{"uuudd", schemas.Pass, "3 of 5 sighted vantages say up", "3 vantages", "3 vantages"},
		{"uuddd", schemas.Fail, "2 of 5 sighted vantages say up", "2 vantages", "3 vantages"},
		{"uuxxx", schemas.Fail, "5 of 5 sighted vantages say up, but variant slim answers 2 of them", "2 vantages", "3 vantages"},
		{"uuuxx", schemas.Pass, "5 of 5 sighted vantages say up", "5 vantages", "3 vantages"},
		{"uubvn", schemas.Unknown, "2 sighted vantages, 3 needed", "2 vantages", "3 vantages"},
		{"", schemas.Unknown, "0 sighted vantages, 3 needed", "0 vantages", "3 vantages"},
	} {
		verdicts, presences := world(c.world)
		got := gate.Healthy(shop, slim, verdicts, presences, now)
		if got.Name != "healthy" || got.Result != c.result || got.Evidence != c.evidence || got.Value != c.value || got.Threshold != c.threshold {
			t.Errorf("%q: %+v, want %+v", c.world, got, c)
		}
	}
	even := shop
	even.Failover.Quorum = 0.5
	verdicts, presences := world("uudd")
	if got := gate.Healthy(even, slim, verdicts, presences, now); got.Result != schemas.Fail || got.Value != "2 vantages" || got.Threshold != "3 vantages" {
		t.Errorf("half say down, which is the quorum for down = %s, want fail", got.Result)
	}
	lax := shop
	lax.Failover = schemas.Failover{}
	if got := gate.Healthy(lax, slim, nil, nil, now); got.Result != schemas.Unknown {
		t.Errorf("without any vantage = %s, want unknown", got.Result)
	}
}

func TestImageGatePassesWhatLeewardDoesNotBuild(t *testing.T) {
	bought := shop
	bought.Source = schemas.Source{}
	want := schemas.Gate{Name: "image", Result: schemas.Pass, Evidence: "not built by Leeward"}
	if diff := cmp.Diff(want, gate.Image(bought, slim, nil)); diff != "" {
		t.Error(diff)
	}
}

func TestImageGateNeedsAVerifiedDigestInTheRegion(t *testing.T) {
	digest := "sha256:" + strings.Repeat("ab", 32)
	state := schemas.ImageState{App: "shop", Variant: "slim", Region: "london", Digest: digest, Since: now}
	for _, c := range []struct {
		change func(*schemas.ImageState)
		want   schemas.Gate
	}{
		{func(s *schemas.ImageState) { s.Parity = "verified" }, schemas.Gate{Name: "image", Result: schemas.Pass, Evidence: "sha256:abababababab verified", Value: "verified", Threshold: "verified", EvidenceAt: now}},
		{func(s *schemas.ImageState) { s.Parity = "pending" }, schemas.Gate{Name: "image", Result: schemas.Unknown, Evidence: "sha256:abababababab pending", Value: "pending", Threshold: "verified", EvidenceAt: now}},
		{func(s *schemas.ImageState) { s.Parity, s.Error = "failed", "blob missing" }, schemas.Gate{Name: "image", Result: schemas.Fail, Evidence: "sha256:abababababab failed: blob missing", Value: "failed", Threshold: "verified", EvidenceAt: now}},
		{func(s *schemas.ImageState) { s.Region = "tokyo" }, schemas.Gate{Name: "image", Result: schemas.Unknown, Evidence: "no image is known for the region"}},
	} {
		s := state
		c.change(&s)
		if diff := cmp.Diff(c.want, gate.Image(shop, slim, []schemas.ImageState{s})); diff != "" {
			t.Error(diff)
		}
	}
}

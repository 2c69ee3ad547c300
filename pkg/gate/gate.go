package gate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// Healthy is the gate that a quorum of sighted vantages sees the candidate's region up, or degraded, and its variant answer.
// With fewer sighted vantages than the app asks for it is unknown.
func Healthy(app schemas.App, c schemas.Candidate, verdicts []schemas.Verdict, presences []schemas.Presence, now time.Time) schemas.Gate {
	g := schemas.Gate{Name: Health}
	var sighted, up, answering int
	for _, v := range Votes(app, c.Region, verdicts, presences, now) {
		if v.Health == schemas.Blind {
			continue
		}
		sighted++
		if g.EvidenceAt.IsZero() || v.At.Before(g.EvidenceAt) {
			g.EvidenceAt = v.At
		}
		if v.Health == schemas.Down {
			continue
		}
		up++
		if answers(verdicts, app.Name, v.Vantage, c) {
			answering++
		}
	}
	quorum, least := app.Failover.Quorum, app.Failover.MinVantages
	g.Value, g.Threshold = vantages(up), vantages(majority(sighted, quorum))
	g.Evidence = fmt.Sprintf("%d of %d sighted vantages say up", up, sighted)
	switch {
	case sighted == 0 || sighted < least:
		g.Result = schemas.Unknown
		g.Value, g.Threshold = vantages(sighted), vantages(max(least, 1))
		g.Evidence = fmt.Sprintf("%d sighted vantages, %d needed", sighted, max(least, 1))
	case !reached(up, sighted, quorum, least), reached(sighted-up, sighted, quorum, least):
		// With a quorum of half, both sides can reach it: where enough say down, nothing moves to.
		g.Result = schemas.Fail
	case !reached(answering, sighted, quorum, least):
		g.Result = schemas.Fail
		g.Value = vantages(answering)
		g.Evidence += fmt.Sprintf(", but variant %s answers %d of them", c.Variant, answering)
	default:
		g.Result = schemas.Pass
	}
	return g
}

// majority is the fewest of the sighted vantages that are a quorum while the rest of them is none.
func majority(sighted int, quorum float64) int {
	n := 1
	for n < sighted && (!reached(n, sighted, quorum, 0) || reached(sighted-n, sighted, quorum, 0)) {
		n++
	}
	return n
}

func vantages(n int) string { return Quantity(float64(n), "vantages") }

// answers says whether the candidate's variant answered the vantage's latest round.
func answers(verdicts []schemas.Verdict, app, vantage string, c schemas.Candidate) bool {
	return slices.ContainsFunc(verdicts, func(v schemas.Verdict) bool {
		return v.App == app && v.Vantage == vantage && v.Region == c.Region &&
			slices.ContainsFunc(v.Variants, func(h schemas.VariantHealth) bool { return h.Variant == c.Variant && h.OK })
	})
}

// Image is the gate that the candidate's region was seen to hold the image it should run; an app that Leeward does not build passes. images may hold other apps' and regions' too.
func Image(app schemas.App, c schemas.Candidate, images []schemas.ImageState) schemas.Gate {
	if !app.Built() {
		return schemas.Gate{Name: Digest, Result: schemas.Pass, Evidence: "not built by Leeward"}
	}
	g := schemas.Gate{Name: Digest, Result: schemas.Unknown, Evidence: "no image is known for the region"}
	i := slices.IndexFunc(images, func(s schemas.ImageState) bool {
		return s.App == app.Name && s.Variant == c.Variant && s.Region == c.Region
	})
	if i < 0 {
		return g
	}
	s := images[i]
	g.EvidenceAt = s.Since
	g.Value, g.Threshold = s.Parity, "verified"
	g.Evidence = ShortDigest(s.Digest) + " " + s.Parity
	switch {
	case s.Verified():
		g.Result = schemas.Pass
	case s.Parity == "failed":
		g.Result = schemas.Fail
		g.Evidence += ": " + s.Error
	}
	return g
}

// ShortDigest is the digest as people tell digests apart.
func ShortDigest(digest string) string {
	algorithm, hash, _ := strings.Cut(digest, ":")
	return algorithm + ":" + hash[:min(len(hash), 12)]
}

package schemas

import (
	"slices"
	"strings"
)

// HubDomain is the JetStream domain of the hub, which holds everything but the samples of regions that have a leaf. A leaf's domain has its region's name.
const HubDomain = "hub"

// LeafName is the bus user by which a region's leaf connects to the hub.
func LeafName(domain string) string { return "leaf-" + domain }

// PermitAtLeaf is what the permission table lets a vantage's prober do that connects to its region's leaf: samples go to the leaf's own domain, the rest is asked of the hub's.
func PermitAtLeaf(vantage string) Permissions {
	p := Permit(Prober, vantage)
	for i, subject := range p.Publish {
		p.Publish[i] = InDomain(HubDomain, subject)
	}
	return p
}

// PermitLeaf is what a leaf may pass on to the hub and be sent from there: what its vantages' probers may do but for the samples, which stay, and the recorder's reading of them.
// Whoever took a leaf over can do no more than its vantages.
func PermitLeaf(domain string, vantages []string) Permissions {
	p := Permissions{Publish: []string{InboxPrefix(string(Recorder)) + ".>"}}
	for _, v := range vantages {
		prober := PermitAtLeaf(v)
		for _, subject := range prober.Publish {
			if subject != SampleSubject(v) && !slices.Contains(p.Publish, subject) {
				p.Publish = append(p.Publish, subject)
			}
			if strings.HasPrefix(subject, SubjectRoot) && strings.Contains(subject, ".*.") {
				// The right is in the one above, which the server (2.15) does not see when it asks whether a leaf may have anything for a stream of leeward.health.changed.v1.>:
				// it does not look below a star, and would never be sent an event.
				p.Publish = append(p.Publish, strings.ReplaceAll(subject, "*", "any"))
			}
		}
		p.Subscribe = append(p.Subscribe, prober.Subscribe...)
	}
	for _, subject := range readingOf(Samples) {
		p.Subscribe = append(p.Subscribe, InDomain(domain, subject))
	}
	return p
}

// InDomain is the subject by which JetStream's interface, or a key, is reached in another domain than that of the server one is connected to. Other subjects stay.
func InDomain(domain, subject string) string {
	prefix := "$JS." + domain + ".API."
	if rest, ok := strings.CutPrefix(subject, "$JS.API."); ok {
		return prefix + rest
	}
	if strings.HasPrefix(subject, "$KV.") {
		return prefix + subject
	}
	return subject
}

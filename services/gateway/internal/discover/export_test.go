package discover

import "github.com/leeward-failover/leeward/schemas"

// What decides, for its tests.
var (
	Carry = carry
	Found = found
)

// Choose is choose with what it returns taken apart.
func Choose(t schemas.Topology, a schemas.App, d schemas.Discovery, answer Answer, stays func(schemas.Candidate) bool) (endpoints []schemas.Endpoint, kept []schemas.Candidate, refused []string) {
	c := choose(t, a, d, answer, stays)
	return c.endpoints, c.kept, c.refused
}

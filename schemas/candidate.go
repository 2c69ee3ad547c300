package schemas

import "cmp"

// Candidate is a region and a variant of an app: what a ranking orders and a failover moves to.
type Candidate struct {
	// Region is the candidate's region.
	Region string `json:"region" yaml:"region"`
	// Variant is the variant that runs there.
	Variant string `json:"variant" yaml:"variant"`
}

// String is region/variant.
func (c Candidate) String() string { return c.Region + "/" + c.Variant }

// Compare orders candidates by region, then variant.
func (c Candidate) Compare(o Candidate) int {
	return cmp.Or(cmp.Compare(c.Region, o.Region), cmp.Compare(c.Variant, o.Variant))
}

func (c *check) candidate(field string, k Candidate) {
	c.name(field+".region", k.Region)
	c.name(field+".variant", k.Variant)
}

// Epoch is the fencing number of an app's routing. It only grows; terms come first.
type Epoch struct {
	Term uint64 `json:"term"`
	N    uint64 `json:"n"`
}

// Compare orders epochs by term, then number.
func (e Epoch) Compare(o Epoch) int {
	return cmp.Or(cmp.Compare(e.Term, o.Term), cmp.Compare(e.N, o.N))
}

// Next is the smallest epoch above e in the same term.
func (e Epoch) Next() Epoch { return Epoch{Term: max(e.Term, 1), N: e.N + 1} }

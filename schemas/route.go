package schemas

import (
	"strconv"
	"time"
)

// Route is where an app's traffic is sent.
type Route struct {
	App    string    `json:"app"`
	Active Candidate `json:"active"`
	Epoch  Epoch     `json:"epoch"`
	// Plan is the plan that set the route, empty for the first one.
	Plan  string    `json:"plan,omitempty"`
	Since time.Time `json:"since"`
}

// Validate reports every field that is not well formed.
func (r Route) Validate() error {
	var c check
	c.name("app", r.App)
	c.candidate("active", r.Active)
	c.that(r.Epoch.Term > 0, "epoch has no term")
	c.time("since", r.Since)
	return c.err()
}

// Key is the app.
func (r Route) Key() []string { return []string{r.App} }

// Lease names who may act for something until it expires: an actuator for an app, a recorder for a partition.
type Lease struct {
	// Of is what it is the right to: the app, the partition, or the recorder itself, whose lease says that it is there.
	Of     string    `json:"of"`
	Holder string    `json:"holder"`
	At     time.Time `json:"at"`
}

// Validate reports every field that is not well formed.
func (l Lease) Validate() error {
	var c check
	c.text("of", l.Of)
	c.text("holder", l.Holder)
	c.time("at", l.At)
	return c.err()
}

// Key is what it is the right to.
func (l Lease) Key() []string { return []string{l.Of} }

// InsertIntent is the block of a stream partition that the recorder is inserting (before) or has inserted (after). It is what makes a retry the same block.
type InsertIntent struct {
	// Partition names the stream and the partition, as in samples-0.
	Partition string `json:"partition"`
	// Incarnation is the uuid of the stream: a stream that was wiped is another one.
	Incarnation string `json:"incarnation"`
	First       uint64 `json:"first"`
	Last        uint64 `json:"last"`
	Rows        int    `json:"rows"`
	// State is before or after.
	State string    `json:"state"`
	Owner string    `json:"owner"`
	At    time.Time `json:"at"`
}

// Token is the de-duplication token of the block: the same block has the same token, whoever inserts it.
func (i InsertIntent) Token() string {
	return i.Incarnation + ":" + i.Partition + ":" + strconv.FormatUint(i.First, 10) + "-" + strconv.FormatUint(i.Last, 10)
}

// Validate reports every field that is not well formed.
func (i InsertIntent) Validate() error {
	var c check
	c.text("partition", i.Partition)
	c.text("incarnation", i.Incarnation)
	c.that(i.State == "before" || i.State == "after", "state %q is neither before nor after", i.State)
	c.that(i.Last >= i.First, "last %d is before first %d", i.Last, i.First)
	c.time("at", i.At)
	return c.err()
}

// Key is the partition.
func (i InsertIntent) Key() []string { return []string{i.Partition} }

package schemas

import "time"

// Heartbeat is a row that a prober commits to an app's primary database again and again. The newest that the primary has acknowledged is how far
// writes have come, the newest that a replica holds is how far it follows; both carry the primary's clock, so that no two clocks are compared.
type Heartbeat struct {
	// At is when the primary wrote it, by the primary's clock.
	At time.Time `json:"at,omitzero"`
	// Token orders the heartbeats of all vantages: one that began after another was acknowledged has a higher token, also when the primary's clock was set
	// back in between, or a replica that held the other was promoted. What it counts is the engine's: transactions, heartbeats, entries. 0 is no heartbeat.
	Token int64 `json:"token,omitempty"`
	// SeenAt is when a vantage saw it acknowledged, or found it in a replica, by the vantage's clock.
	SeenAt time.Time `json:"seen_at,omitzero"`
}

// Behind is how much later a newer heartbeat is: what a database that holds h lacks. It is not known when either is none, or when the clock of the
// primary was set back between the two.
func (h Heartbeat) Behind(newest Heartbeat) (lag time.Duration, known bool) {
	lag = newest.At.Sub(h.At)
	switch {
	case h.Token == 0 || newest.Token == 0:
		return 0, false
	case lag > 0:
		return lag, true
	default:
		return 0, h.Token >= newest.Token
	}
}

// Replication is how far a region's database follows the app's primary database, as one vantage knows it.
type Replication struct {
	// Acknowledged is the newest heartbeat that the primary acknowledged to this vantage. It stays when the primary is gone: what a replica lacks
	// of it would be lost. It is none before the first, and when the primary answers and refuses heartbeats, because then it may take other writes.
	Acknowledged Heartbeat `json:"acknowledged,omitzero"`
	// Replayed is the newest heartbeat of any vantage that the region's database held when it last answered this one.
	Replayed Heartbeat `json:"replayed,omitzero"`
}

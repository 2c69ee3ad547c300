package vantage

import (
	"errors"
	"sync"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/probe"
	"github.com/leeward-failover/leeward/services/prober/internal/target"
)

// heartbeats remembers the newest heartbeat that each app's primary acknowledged and that each region's database held. It outlives changes of the topology.
type heartbeats struct {
	mu           sync.Mutex
	acknowledged map[string]beat
	replayed     map[cellName]beat
}

// beat is a heartbeat and the reference to the database it was seen in: another database's says nothing.
type beat struct {
	reference string
	schemas.Heartbeat
}

// note keeps what a measurement of a database saw.
func (h *heartbeats) note(t target.Target, m probe.Measurement) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.acknowledged == nil {
		h.acknowledged, h.replayed = map[string]beat{}, map[cellName]beat{}
	}
	switch {
	case t.Kind == schemas.KindDBWrite && m.Err == nil:
		h.acknowledged[t.App] = beat{t.Address, m.Heartbeat}
	case t.Kind == schemas.KindDBWrite && errors.Is(m.Err, probe.ErrDenied):
		// It is there and may take others' writes: the last heartbeat is no longer the last write.
		delete(h.acknowledged, t.App)
	case t.Kind == schemas.KindDBRead && m.Err == nil:
		h.replayed[cellName{t.App, t.Region}] = beat{t.Address, m.Heartbeat}
	}
}

// replication is what is known of a cell's database; nil when it follows nothing.
func (h *heartbeats) replication(c target.Cell) *schemas.Replication {
	if c.Primary == "" || c.Database == "" {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	r := &schemas.Replication{}
	if b := h.acknowledged[c.App]; b.reference == c.Primary {
		r.Acknowledged = b.Heartbeat
	}
	if b := h.replayed[cellName{c.App, c.Region}]; b.reference == c.Database {
		r.Replayed = b.Heartbeat
	}
	return r
}

// lag is the sample of how far a cell's database was behind when it was just read. There is none unless the primary still acknowledges to this vantage:
// with one that is cut off from the primary a replica that stands still would seem to catch up.
func (h *heartbeats) lag(c target.Cell, read target.Target, due time.Time) (schemas.Sample, bool) {
	r := h.replication(c)
	if r == nil || r.Replayed.SeenAt.Sub(r.Acknowledged.SeenAt) > schemas.VerdictRounds*c.Interval {
		return schemas.Sample{}, false
	}
	lag, known := r.Replayed.Behind(r.Acknowledged)
	return schemas.Sample{App: read.App, Region: read.Region, Kind: schemas.KindDBLag, Outcome: schemas.OK, DueUS: due.UnixMicro(), LatencyUS: probe.Micros(lag)}, known
}

// Lags calls each with how far every region's database is behind the last heartbeat that the primary acknowledged to this vantage, where that is known.
func (v *Vantage) Lags(each func(app, region string, lag time.Duration)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, c := range v.cells {
		r := v.heartbeats.replication(c.Cell)
		if r == nil {
			continue
		}
		if lag, known := r.Replayed.Behind(r.Acknowledged); known {
			each(c.App, c.Region, lag)
		}
	}
}

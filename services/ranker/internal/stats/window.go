// Package stats holds what rankings are computed from: counts of latencies and failures, by cell and block. It reads them from ClickHouse, each sample once.
package stats

import (
	"context"
	"fmt"
	"time"

	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// Window holds the samples that the rankings of all apps count, and reads only what is new. An app is read whole when it comes and when its objective changes; all of
// them are when other samples are held than ClickHouse counts. A Window is for one goroutine.
type Window struct {
	db *clickhouse.DB
	// anew is called when everything is read again.
	anew func()

	apps  map[string]*held
	marks marks
	// checked is when what is held was last compared with what is stored.
	checked time.Time
	room    room
}

// NewWindow makes a window that holds nothing yet. Anew is called whenever it has to read everything again.
func NewWindow(db *clickhouse.DB, anew func()) *Window {
	return &Window{db: db, anew: anew, apps: map[string]*held{}}
}

// checkEvery is how often what is held is compared with what is stored.
const checkEvery = time.Minute

// Refresh reads what was stored since it was called last.
func (w *Window) Refresh(ctx context.Context, t schemas.Topology, now time.Time) error {
	wanted := map[string]layout{}
	for _, app := range t.Apps {
		wanted[app.Name] = layoutOf(app)
	}
	for name, h := range w.apps {
		if wanted[name] != h.layout || h.full(now.UnixMilli()) {
			delete(w.apps, name)
		}
	}
	if len(t.Vantages) == 0 || len(t.Apps) == 0 {
		return nil
	}
	s := spanOf(wanted, t.Vantages, now)
	if len(w.apps) == 0 {
		w.checked = now
		return w.begin(ctx, s)
	}
	if now.Sub(w.checked) < checkEvery {
		_, err := w.read(ctx, s)
		return err
	}
	// What arrives between the two readings may be counted among the stored samples or not.
	stored, err := w.stored(ctx, s)
	if err != nil {
		return err
	}
	arrived, err := w.read(ctx, s)
	if err != nil {
		return err
	}
	w.checked = now
	if w.holds(stored, arrived) {
		return nil
	}
	w.anew()
	clear(w.apps)
	return w.begin(ctx, s)
}

// read counts what is new and returns how many samples of each minute that were.
func (w *Window) read(ctx context.Context, s span) (counts, error) {
	rows, err := w.newcomers(ctx, s)
	if err != nil {
		return nil, err
	}
	arrived := counts{}
	for _, r := range rows {
		w.marks.move(r.key.vantage, r.sequence)
		h := w.apps[r.app]
		if h == nil || !h.layout.counts(r.key.kind) {
			continue
		}
		h.add(r.key, r.dueMS, r.bin, 1)
		h.sequence = max(h.sequence, r.sequence)
		h.minutes[minuteOf(r.dueMS)]++
		arrived[moment{r.app, minuteOf(r.dueMS)}]++
	}
	return arrived, nil
}

// holds says whether as many samples are held as are stored. They are not when a vantage's were stored out of order, or when the bus began anew with its numbers.
func (w *Window) holds(stored census, arrived counts) bool {
	for app, h := range w.apps {
		for minute := h.oldest(stored.at) + 1; minute < stored.end(); minute++ {
			at := moment{app, minute}
			if n := h.minutes[minute]; n < stored.of[at] || n > stored.of[at]+arrived[at] {
				return false
			}
		}
	}
	return true
}

// Fill returns the inputs of the app's ranking with its samples. Those of vantages that are not among the given ones, and of endpoints that the app no longer has, are
// passed over. The inputs' blocks must be those of the clock; the cells are good until Fill is called again.
func (w *Window) Fill(ctx context.Context, in rank.Inputs, app schemas.App, vantages []schemas.Vantage) (rank.Inputs, error) {
	h := w.apps[app.Name]
	if h == nil {
		var err error
		if h, err = w.load(ctx, app, in); err != nil {
			return in, fmt.Errorf("samples of %s: %w", app.Name, err)
		}
		w.apps[app.Name] = h
	}
	in.StreamSequence = h.sequence
	in.Cells = h.cells(in, newScope(app, vantages), &w.room)
	return in, nil
}

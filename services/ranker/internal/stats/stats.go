// Package stats reads from ClickHouse what a ranking is computed from: counts of latencies and failures, by cell and block.
package stats

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// The coarse first condition lets ClickHouse skip by the table's sort key. Kinds that only a gate reads come as one block, and only from vantages inside a region.
const query = `
SELECT vantage, region, variant, kind, block, failures, latencies.1 AS bins, latencies.2 AS counts, newest, sequence
FROM (SELECT vantage, region, variant, kind,
	if(has({cost_kinds:Array(String)}, kind), intDiv(toUnixTimestamp64Milli(due) - {from:Int64}, {block:Int64}), 0) AS block,
	countIf(outcome != 'ok') AS failures,
	sumMapIf([toInt32(floor(log2(greatest(latency_us, 1)) * {bins:Int32}))], [toUInt64(1)], outcome = 'ok') AS latencies,
	max(toUnixTimestamp64Milli(due)) AS newest, max(stream_sequence) AS sequence
FROM samples
WHERE toStartOfFiveMinutes(due) >= toStartOfFiveMinutes(fromUnixTimestamp64Milli({from:Int64}, 'UTC'))
	AND app = {app:String}
	AND due >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND due < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
	AND (has({cost_kinds:Array(String)}, kind) OR has({gate_kinds:Array(String)}, kind) AND vantage_region != '')
GROUP BY vantage, region, variant, kind, block)`

// row is one block of one cell.
type row struct {
	vantage, region, variant, kind string
	block                          int64
	failures                       uint64
	bins                           []int32
	counts                         []uint64
	newest                         int64
	sequence                       uint64
}

// Read returns the inputs of the app's ranking over the window that ends at end. Samples of vantages and endpoints that the topology no longer has are passed over.
func Read(ctx context.Context, db *clickhouse.DB, app schemas.App, t schemas.Topology, end time.Time) (rank.Inputs, error) {
	in := rank.NewInputs(app, t.Hash(), end)
	to := in.End.UnixMilli()
	costKinds, gateKinds := kinds(app)
	rows, err := db.Query(ctx, query,
		clickhouse.Named("app", app.Name), clickhouse.Named("from", to-in.WindowMS), clickhouse.Named("to", to),
		clickhouse.Named("block", in.BlockMS), clickhouse.Named("bins", in.BinsPerOctave),
		clickhouse.Named("cost_kinds", costKinds), clickhouse.Named("gate_kinds", gateKinds))
	if err != nil {
		return in, fmt.Errorf("samples of %s: %w", app.Name, err)
	}
	defer func() { _ = rows.Close() }()
	cells := newCells(in, app, t)
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.vantage, &r.region, &r.variant, &r.kind, &r.block, &r.failures, &r.bins, &r.counts, &r.newest, &r.sequence); err != nil {
			return in, fmt.Errorf("samples of %s: %w", app.Name, err)
		}
		if err := cells.add(r); err != nil {
			return in, fmt.Errorf("samples of %s: %s/%s from %s: %w", app.Name, r.region, r.variant, r.vantage, err)
		}
	}
	if err := rows.Err(); err != nil {
		return in, fmt.Errorf("samples of %s: %w", app.Name, err)
	}
	in.Cells, in.StreamSequence = cells.all(), cells.sequence
	return in, nil
}

// kinds are the kinds of sample that the cost counts, and those that only the round-trip gate reads.
func kinds(app schemas.App) (cost, gates []string) {
	cost, gates = []string{}, []string{}
	for _, k := range []schemas.Kind{schemas.KindICMP, schemas.KindTCP, schemas.KindHTTP, schemas.KindDBWrite} {
		switch name := k.String(); {
		case rank.Counts(app, name):
			cost = append(cost, name)
		case app.Gates.MaxRTT > 0 && (k == schemas.KindICMP || k == schemas.KindTCP):
			gates = append(gates, name)
		}
	}
	return cost, gates
}

type key struct{ vantage, region, variant, kind string }

// cells puts rows together.
type cells struct {
	in       rank.Inputs
	app      schemas.App
	topology schemas.Topology
	found    map[key]*rank.Cell
	sequence uint64
}

func newCells(in rank.Inputs, app schemas.App, t schemas.Topology) *cells {
	return &cells{in: in, app: app, topology: t, found: map[key]*rank.Cell{}}
}

func (c *cells) add(r row) error {
	candidate := schemas.Candidate{Region: r.region, Variant: r.variant}
	_, vantage := c.topology.Vantage(r.vantage)
	_, measured := c.app.Endpoint(candidate)
	if r.variant == "" { // the region's database
		measured = slices.Contains(c.app.Regions(), r.region)
	}
	if !vantage || !measured {
		return nil
	}
	k := key{r.vantage, r.region, r.variant, r.kind}
	cell := c.found[k]
	if cell == nil {
		cell = &rank.Cell{Vantage: r.vantage, Candidate: candidate, Kind: r.kind, Blocks: make([]rank.Histogram, c.blocks(r.kind))}
		c.found[k] = cell
	}
	if r.block < 0 || int(r.block) >= len(cell.Blocks) {
		return fmt.Errorf("block %d is outside the window", r.block)
	}
	h, err := rank.NewHistogram(r.failures, r.bins, r.counts)
	if err != nil {
		return err
	}
	cell.Blocks[r.block] = h
	cell.NewestMS = max(cell.NewestMS, r.newest)
	c.sequence = max(c.sequence, r.sequence)
	return nil
}

func (c *cells) blocks(kind string) int {
	if rank.Counts(c.app, kind) {
		return c.in.Blocks()
	}
	return 1
}

func (c *cells) all() []rank.Cell {
	all := make([]rank.Cell, 0, len(c.found))
	for _, cell := range c.found {
		all = append(all, *cell)
	}
	slices.SortFunc(all, rank.Cell.Compare)
	return all
}

package partition

import (
	"context"
	"fmt"

	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/services/recorder/internal/table"
)

// ClickHouse knows a token again only as long as its log of tokens is there, which a power cut may take although the rows themselves were synced.
// So before a block is sent a second time the tables are asked whether its rows are in. The token remains for a try that is still on its way.

// in says whether a table has the rows of the block, and if so fills what its rollups lack of them.
func (w *Writer) in(ctx context.Context, t table.Rows, token string) (bool, error) {
	find := t.Find()
	have, err := w.Number(ctx, "SELECT count() FROM "+t.Table+" WHERE "+find)
	if err != nil || have < uint64(t.Count) {
		return false, err
	}
	// Samples are in before the views have made their rollups of them, so nothing is concluded while they may be at it.
	running, err := w.Number(ctx, "SELECT count() FROM system.processes WHERE Settings['insert_deduplication_token'] = '"+token+t.Part+"'")
	if err != nil {
		return false, err
	}
	if running > 0 {
		return false, fmt.Errorf("an earlier insert into %s, token %s, is still under way", t.Table, token)
	}
	if t.Table == "samples" {
		for _, u := range table.Rollups {
			if err := w.fill(ctx, t, u, find, token); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// verify makes sure of a second INSERT that ClickHouse took: one that died in the middle of the first may know the token and not have the rows.
func (w *Writer) verify(ctx context.Context, t table.Rows, token string) error {
	in, err := w.in(ctx, t, token)
	if err != nil || in {
		return err
	}
	w.Log.Warn().Str("table", t.Table).Str("token", token).Msg("token remembered without its rows")
	return w.Insert(ctx, clickhouse.Block{Table: t.Table, Token: token + t.Part + ":again", Columns: t.Columns})
}

// fill compares a rollup with the samples it is made of, in the block's time and of its vantages, which nobody else writes. What it lacks can only be the block.
func (w *Writer) fill(ctx context.Context, t table.Rows, u table.Rollup, find, token string) error {
	bounds := "(SELECT min(" + u.Of + ") FROM samples WHERE " + find + ") AND (SELECT max(" + u.Of + ") FROM samples WHERE " + find + ")"
	where := " WHERE vantage IN (" + t.Vantages() + ") AND "
	raw, err := w.Number(ctx, "SELECT count() FROM samples"+where+u.Of+" BETWEEN "+bounds)
	if err != nil {
		return err
	}
	rolled, err := w.Number(ctx, "SELECT toUInt64(sum("+u.Table+".samples)) FROM "+u.Table+where+u.Time+" BETWEEN "+bounds)
	if err != nil {
		return err
	}
	switch {
	case rolled >= raw:
		return nil
	case raw-rolled != uint64(t.Count):
		return fmt.Errorf("%s lacks %d of %d samples, which is not the block of %d", u.Table, raw-rolled, raw, t.Count)
	}
	w.Log.Warn().Str("table", u.Table).Int("samples", t.Count).Str("token", token).Msg("rollup filled")
	return w.Exec(ctx, u.Fill(find))
}

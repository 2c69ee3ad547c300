// Package history reads stored rankings from ClickHouse, so that they can be computed again. It needs none of the samples, which are kept for a shorter time.
package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// Stored is a ranking as the table rankings holds it.
type Stored struct {
	App    string
	At     time.Time
	Inputs json.RawMessage
	// Digest is the hash of what was published; empty for rankings from before it was stored.
	Digest string
}

// reach is how far back the ranking that held at a time may lie.
const reach = 24 * time.Hour

const queryAt = `
SELECT at, inputs, digest FROM rankings
WHERE app = {app:String} AND inputs != '' AND at =
	(SELECT max(at) FROM rankings WHERE app = {app:String} AND at > fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND at <= fromUnixTimestamp64Milli({to:Int64}, 'UTC'))
LIMIT 1`

// At is the newest ranking of the app up to a time.
func At(ctx context.Context, db *clickhouse.DB, app string, at time.Time) (Stored, error) {
	s := Stored{App: app}
	var inputs string
	err := db.QueryRow(ctx, queryAt, clickhouse.Named("app", app), clickhouse.Named("from", at.Add(-reach).UnixMilli()), clickhouse.Named("to", at.UnixMilli())).
		Scan(&s.At, &inputs, &s.Digest)
	if errors.Is(err, sql.ErrNoRows) {
		return s, fmt.Errorf("no ranking of %s is stored of the 24 hours up to %s, or this user may not read its inputs", app, at.UTC().Format(time.RFC3339))
	}
	s.Inputs = json.RawMessage(inputs)
	return s, err
}

// Again computes the ranking from its inputs. It is the one that was published, byte for byte, or an error says that it is not.
func (s Stored) Again() (schemas.Ranking, error) {
	of := fmt.Sprintf("ranking of %s at %s", s.App, s.At.UTC().Format(time.RFC3339Nano))
	if s.Digest == "" {
		return schemas.Ranking{}, fmt.Errorf("%s: the release that made it did not store all that it was computed from", of)
	}
	r, err := rank.Again(s.Inputs)
	if err != nil {
		return schemas.Ranking{}, fmt.Errorf("%s: %w", of, err)
	}
	hash, err := r.Hash()
	if err == nil && hash != s.Digest {
		err = fmt.Errorf("%s is not what was published: computed again its SHA-256 is %s, published was %s. Its inputs were changed, or it was made by another release", of, hash, s.Digest)
	}
	return r, err
}

// page is how many rankings are read at once: some tens of MB.
const page = 200

const queryAfter = `
SELECT at, inputs, digest FROM rankings
WHERE app = {app:String} AND inputs != '' AND at > fromUnixTimestamp64Milli({after:Int64}, 'UTC')
ORDER BY at LIMIT 1 BY intDiv(toUnixTimestamp64Milli(at), {every:Int64}) LIMIT {page:UInt32}`

const queryChoices = `
SELECT at, active, region, variant FROM rankings
WHERE app = {app:String} AND choice AND at > fromUnixTimestamp64Milli({after:Int64}, 'UTC') AND at <= fromUnixTimestamp64Milli({to:Int64}, 'UTC')`

// Since hands the app's rankings after a time to next, oldest first and at most one in every so long, with the published choices by active region.
func Since(ctx context.Context, db *clickhouse.DB, app string, after time.Time, every time.Duration, next func(Stored, map[string]schemas.Candidate) error) error {
	every = max(every, time.Millisecond)
	for {
		all, err := read(ctx, db, app, after, every)
		if err != nil || len(all) == 0 {
			return err
		}
		choices, err := choicesOf(ctx, db, app, after, all[len(all)-1].At)
		if err != nil {
			return err
		}
		for _, s := range all {
			if err := next(s, choices[s.At.UnixMilli()]); err != nil {
				return fmt.Errorf("ranking of %s at %s: %w", app, s.At.Format(time.RFC3339), err)
			}
		}
		last := all[len(all)-1].At.UnixMilli()
		after = time.UnixMilli((last/every.Milliseconds()+1)*every.Milliseconds() - 1)
	}
}

func read(ctx context.Context, db *clickhouse.DB, app string, after time.Time, every time.Duration) (all []Stored, err error) {
	rows, err := db.Query(ctx, queryAfter, clickhouse.Named("app", app), clickhouse.Named("after", after.UnixMilli()),
		clickhouse.Named("every", every.Milliseconds()), clickhouse.Named("page", page))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		s, inputs := Stored{App: app}, ""
		if err := rows.Scan(&s.At, &inputs, &s.Digest); err != nil {
			return nil, err
		}
		if s.Digest == "" {
			return nil, fmt.Errorf("ranking of %s at %s: the release that made it did not store all that it was computed from; take a later --since", app, s.At.Format(time.RFC3339))
		}
		s.Inputs = json.RawMessage(inputs)
		all = append(all, s)
	}
	return all, rows.Err()
}

// choicesOf are the published choices in a time, by milliseconds since 1970 and active region.
func choicesOf(ctx context.Context, db *clickhouse.DB, app string, after, to time.Time) (map[int64]map[string]schemas.Candidate, error) {
	rows, err := db.Query(ctx, queryChoices, clickhouse.Named("app", app), clickhouse.Named("after", after.UnixMilli()), clickhouse.Named("to", to.UnixMilli()))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	all := map[int64]map[string]schemas.Candidate{}
	for rows.Next() {
		var at time.Time
		var active string
		var c schemas.Candidate
		if err := rows.Scan(&at, &active, &c.Region, &c.Variant); err != nil {
			return nil, err
		}
		if all[at.UnixMilli()] == nil {
			all[at.UnixMilli()] = map[string]schemas.Candidate{}
		}
		all[at.UnixMilli()][active] = c
	}
	return all, rows.Err()
}

const queryDecided = `
SELECT plan, at, from_region, from_variant, region, variant FROM decisions
WHERE app = {app:String} AND chosen AND state = 'planned' AND trigger IN ('alert', 'verdicts') AND at > fromUnixTimestamp64Milli({after:Int64}, 'UTC')
ORDER BY at`

// Decided are the app's failovers after a time that nobody asked for by name, oldest first.
func Decided(ctx context.Context, db *clickhouse.DB, app string, after time.Time) (all []Failover, err error) {
	rows, err := db.Query(ctx, queryDecided, clickhouse.Named("app", app), clickhouse.Named("after", after.UnixMilli()))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var f Failover
		if err := rows.Scan(&f.Plan, &f.At, &f.From.Region, &f.From.Variant, &f.To.Region, &f.To.Variant); err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, rows.Err()
}

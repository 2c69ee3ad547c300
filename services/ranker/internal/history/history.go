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

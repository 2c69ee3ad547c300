package schema

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/pkg/clickhouse"
)

// Retention says which column of a table its age is counted from, and how long it keeps rows unless told otherwise.
type Retention struct {
	Table, Column string
	// Setting is the variable that says otherwise.
	Setting string
	Default time.Duration
}

const day = 24 * time.Hour

// Retentions are those of every table whose rows end.
var Retentions = []Retention{
	{"samples", "due", "LEEWARD_RETENTION_SAMPLES", 14 * day},
	{"samples_1m", "minute", "LEEWARD_RETENTION_SAMPLES_1M", 90 * day},
	{"samples_1h", "hour", "LEEWARD_RETENTION_SAMPLES_1H", 730 * day},
	{"quarantine", "stored", "LEEWARD_RETENTION_QUARANTINE", 90 * day},
	{"events", "stored", "LEEWARD_RETENTION_EVENTS", 400 * day},
	{"rankings", "at", "LEEWARD_RETENTION_RANKINGS", 400 * day},
	{"decisions", "at", "LEEWARD_RETENTION_DECISIONS", 400 * day},
	{"builds", "finished", "LEEWARD_RETENTION_BUILDS", 400 * day},
	{"build_stages", "finished", "LEEWARD_RETENTION_BUILD_STAGES", 400 * day},
	{"image_benchmarks", "at", "LEEWARD_RETENTION_IMAGE_BENCHMARKS", 400 * day},
	{"drills", "at", "LEEWARD_RETENTION_DRILLS", 400 * day},
}

// keep makes the tables keep rows for as long as they should. A table that does already is left alone.
func keep(ctx context.Context, db *clickhouse.DB, wanted map[string]time.Duration) error {
	var tables []struct {
		Name   string `ch:"name"`
		Engine string `ch:"engine_full"`
	}
	if err := db.Select(ctx, &tables, "SELECT name, engine_full FROM system.tables WHERE database = currentDatabase()"); err != nil {
		return fmt.Errorf("retention: %w", err)
	}
	engines := map[string]string{}
	for _, t := range tables {
		engines[t.Name] = t.Engine
	}
	for _, r := range Retentions {
		hours, ok := wanted[r.Table]
		if !ok {
			continue
		}
		ttl := fmt.Sprintf("toDateTime(%s) + toIntervalHour(%d)", r.Column, int(hours/time.Hour))
		if strings.Contains(engines[r.Table], " TTL "+ttl+" ") {
			continue
		}
		// What is too old goes with the next merge; nothing is written anew for it.
		if err := db.Exec(ctx, "ALTER TABLE "+r.Table+" MODIFY TTL "+ttl+" SETTINGS materialize_ttl_after_modify = 0"); err != nil {
			return fmt.Errorf("retention of %s: %w", r.Table, err)
		}
	}
	return nil
}

// Package schema brings ClickHouse's tables up to this release before anything is recorded.
package schema

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/sethvargo/go-retry"

	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/schemas"
)

// Migration is the step before recording. It waits for a ClickHouse that is not there yet.
type Migration struct {
	DB *clickhouse.DB
	// Retention is how long each table keeps its rows.
	Retention map[string]time.Duration
	Log       zerolog.Logger

	mu      sync.Mutex
	done    bool
	problem error
}

// Run migrates and returns once it is done, or when waiting can not help.
func (m *Migration) Run(ctx context.Context) error {
	files, err := fs.Sub(schemas.Migrations, "clickhouse")
	if err != nil {
		return err
	}
	backoff := retry.WithCappedDuration(2*time.Second, retry.NewExponential(100*time.Millisecond))
	return retry.Do(ctx, backoff, func(ctx context.Context) error {
		err := m.DB.Migrate(ctx, files)
		if err == nil {
			err = keep(ctx, m.DB, m.Retention)
		}
		m.report(err)
		return err
	})
}

// report keeps what readiness says, and logs what is new.
func (m *Migration) report(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil && m.problem == nil {
		m.Log.Warn().Err(err).Msg("ClickHouse not ready")
	}
	if err == nil {
		m.Log.Info().Msg("ClickHouse schema up to date")
	}
	m.done, m.problem = err == nil, err
}

// Ready returns why the tables are not there, or nil.
func (m *Migration) Ready() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.done:
		return nil
	case m.problem != nil:
		return fmt.Errorf("ClickHouse: %w", m.problem)
	}
	return errors.New("ClickHouse: the schema is being checked")
}

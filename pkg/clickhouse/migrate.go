package clickhouse

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"time"

	"github.com/leeward-failover/leeward/pkg/chsql"
)

// ErrNewer is returned by Migrate when the database was migrated by a later release than this one.
var ErrNewer = errors.New("the database has a newer schema than this release knows")

// migration is one file of the schema.
type migration struct {
	name     string
	checksum string
	sql      string
}

var migrationName = regexp.MustCompile(`^\d{4}_[a-z0-9_]+\.sql$`)

// Migrate brings the database's schema up to the files NNNN_name.sql: in the order of their names, each once, recorded in
// the table schema_migrations. Processes that start together take turns. A file that was cut off halfway runs again from
// its start, so its statements say IF NOT EXISTS; a file that changed after it ran is an error, and so is a database
// that has files this release does not.
func (db *DB) Migrate(ctx context.Context, files fs.FS) error {
	wanted, err := readMigrations(files)
	if err != nil {
		return fmt.Errorf("read schema: %w", err)
	}
	if err := db.migrate(ctx, wanted); err != nil {
		return mark(fmt.Errorf("migrate schema: %w", err))
	}
	return nil
}

func (db *DB) migrate(ctx context.Context, wanted []migration) error {
	const recordTable = `CREATE TABLE IF NOT EXISTS schema_migrations
		(name String, checksum String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3))
		ENGINE = MergeTree ORDER BY name SETTINGS fsync_after_insert = 1, fsync_part_directory = 1`
	if err := db.conn.Exec(ctx, recordTable); err != nil {
		return err
	}
	if missing, err := db.missing(ctx, wanted); err != nil || len(missing) == 0 {
		return err
	}
	lock, err := db.lockSchema(ctx)
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, schemaLease-10*time.Second) // nobody else begins before we ended
	defer cancel()
	err = db.applyMissing(ctx, wanted)
	return errors.Join(err, lock.release(context.WithoutCancel(ctx)))
}

func (db *DB) applyMissing(ctx context.Context, wanted []migration) error {
	missing, err := db.missing(ctx, wanted) // again: another process may have done it while this one waited
	if err != nil {
		return err
	}
	for _, m := range missing {
		if err := db.apply(ctx, m); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

func (db *DB) apply(ctx context.Context, m migration) error {
	statements, err := chsql.Split(m.sql)
	if err != nil {
		return err
	}
	for i, s := range statements {
		if err := db.conn.Exec(ctx, s); err != nil {
			return fmt.Errorf("statement %d: %w", i+1, err)
		}
	}
	return db.send(ctx, Block{Table: "schema_migrations", Token: m.name, Columns: []Column{
		{Name: "name", Values: []string{m.name}},
		{Name: "checksum", Values: []string{m.checksum}},
	}})
}

// missing gives what the database does not have yet. What it has must be the first of what is wanted.
func (db *DB) missing(ctx context.Context, wanted []migration) ([]migration, error) {
	var applied []struct {
		Name     string `ch:"name"`
		Checksum string `ch:"checksum"`
	}
	if err := db.conn.Select(ctx, &applied, "SELECT DISTINCT name, checksum FROM schema_migrations ORDER BY name"); err != nil {
		return nil, err
	}
	for i, a := range applied {
		switch {
		case i >= len(wanted):
			return nil, fmt.Errorf("%w: it has %s", ErrNewer, a.Name)
		case a.Name != wanted[i].name:
			return nil, fmt.Errorf("the database has %s where this release has %s", a.Name, wanted[i].name)
		case a.Checksum != wanted[i].checksum:
			return nil, fmt.Errorf("%s changed after it was applied", a.Name)
		}
	}
	return wanted[len(applied):], nil
}

// readMigrations gives the files in order; fs.Glob sorts by name.
func readMigrations(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, errors.New("no *.sql files")
	}
	var all []migration
	for i, name := range names {
		if !migrationName.MatchString(name) {
			return nil, fmt.Errorf("%s: the name must be like 0001_samples.sql", name)
		}
		if i > 0 && path.Base(name)[:4] == path.Base(names[i-1])[:4] {
			return nil, fmt.Errorf("%s and %s have one number", names[i-1], name)
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(text)
		all = append(all, migration{name, hex.EncodeToString(sum[:]), string(text)})
	}
	return all, nil
}

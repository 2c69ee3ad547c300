package clickhouse

import (
	"context"
	"fmt"
	"time"
)

// schemaLease is how long a lock holds whose owner says nothing more.
const schemaLease = 2 * time.Minute

// schemaLock is a turn at the schema. ClickHouse has no locks, but of several CREATE TABLE with one name exactly one
// succeeds. So the turns are tables schema_lock_1, schema_lock_2, …: whoever creates the next number has the turn, and
// the next number may be created once the last turn was given back or ran out, as its comment says. The highest number is
// never dropped, so a number that was taken stays taken; who finds a higher one than his own acted on an old view and
// gives up.
type schemaLock struct {
	db *DB
	n  uint32
}

func (db *DB) lockSchema(ctx context.Context) (*schemaLock, error) {
	for {
		last, err := db.lastTurn(ctx)
		if err != nil {
			return nil, err
		}
		if last.until <= last.now {
			lock := &schemaLock{db, last.n + 1}
			taken, err := lock.take(ctx, last.now)
			if taken || err != nil {
				return lock, err
			}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("schema_lock_%d is held: %w", last.n, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// turn is the highest number, and until when it is held by the server's clock in Unix seconds.
type turn struct {
	n          uint32
	until, now uint64
}

func (db *DB) lastTurn(ctx context.Context) (t turn, err error) {
	const query = `SELECT max(toUInt32(substring(name, 13)) AS n), argMax(toUInt64OrZero(extract(comment, 'until ([0-9]+)')), n),
		toUInt64(toUnixTimestamp(now())) FROM system.tables WHERE database = currentDatabase() AND match(name, '^schema_lock_[0-9]+$')`
	err = db.conn.QueryRow(ctx, query).Scan(&t.n, &t.until, &t.now)
	return t, err
}

func (l *schemaLock) table() string { return fmt.Sprintf("schema_lock_%d", l.n) }

func (l *schemaLock) take(ctx context.Context, now uint64) (bool, error) {
	err := l.db.conn.Exec(ctx, fmt.Sprintf("CREATE TABLE %s (x UInt8) ENGINE = MergeTree ORDER BY x COMMENT 'held until %d'",
		l.table(), now+uint64(schemaLease/time.Second)))
	const tableExists = 57
	if Code(err) == tableExists {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	last, err := l.db.lastTurn(ctx)
	if err != nil {
		return false, err
	}
	if last.n != l.n {
		return false, l.db.conn.Exec(ctx, "DROP TABLE IF EXISTS "+l.table())
	}
	return true, nil
}

// release clears the turn before this one away and gives this one back.
func (l *schemaLock) release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	before := schemaLock{n: l.n - 1}
	if err := l.db.conn.Exec(ctx, "DROP TABLE IF EXISTS "+before.table()); err != nil {
		return err
	}
	return l.db.conn.Exec(ctx, "ALTER TABLE "+l.table()+" MODIFY COMMENT 'released'")
}

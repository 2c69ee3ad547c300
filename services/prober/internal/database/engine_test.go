package database_test

import (
	"database/sql"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/leeward-failover/leeward/pkg/mariadbtest"
	"github.com/leeward-failover/leeward/pkg/postgrestest"
	"github.com/leeward-failover/leeward/pkg/redistest"
)

// engine is a primary of one engine with heartbeats, and what its administrator does to it.
type engine struct {
	server
	// sessions counts the connections of others than the administrator, cut ends them.
	sessions func() int
	cut      func()
	// lock keeps writes waiting until it is undone; deny takes the heartbeats, or the right to them, away.
	lock func() (undo func())
	deny func()
	// gone leaves a heartbeat of a vantage that writes no more, since before the server's clock was set back a year.
	gone func()
	// rows counts heartbeats; every engine keeps one at most of a vantage.
	rows func(vantage string) int
	// plain is a URL that asks for TLS where the server says that there is none; empty when it does not say so.
	plain  func() string
	follow func() follower
}

type server interface {
	URL() string
	SecureURL() string
	Stop()
	Kill()
}

// follower is a replica, and what is done to it. readOnly makes it a primary that takes no writes.
type follower struct {
	server
	pause, resume, promote, readOnly func()
}

// each runs a test on every engine at once.
func each(t *testing.T, test func(t *testing.T, e engine)) {
	t.Helper()
	for name, start := range map[string]func(*testing.T) engine{"PostgreSQL": startPostgres, "MariaDB": startMariaDB, "Redis": startRedis} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, start(t))
		})
	}
}

func startPostgres(t *testing.T) engine {
	t.Helper()
	s := postgrestest.Start(t)
	s.Do(postgrestest.Heartbeats)
	const others = "FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name <> 'test'"
	return engine{
		server:   s,
		sessions: func() int { return number(t, s.Do("SELECT count(*) "+others)) },
		cut:      func() { s.Do("SELECT pg_terminate_backend(pid) " + others) },
		lock: func() func() {
			return hold(t, "pgx", s.URL()+"&application_name=test", "BEGIN; LOCK TABLE leeward_heartbeat IN EXCLUSIVE MODE")
		},
		deny: func() { s.Do("DROP TABLE leeward_heartbeat") },
		gone: func() { s.Do("INSERT INTO leeward_heartbeat VALUES ('gone', now() + interval '1 year', 1)") },
		rows: func(vantage string) int {
			return number(t, s.Do("SELECT count(*) FROM leeward_heartbeat WHERE at > now() - interval '1 minute' AND vantage = '"+vantage+"'"))
		},
		plain: func() string {
			s.Do("ALTER SYSTEM SET ssl = off")
			s.Do("SELECT pg_reload_conf()")
			return s.SecureURL()
		},
		follow: func() follower {
			r := s.Follow()
			return follower{r, func() { r.Do("SELECT pg_wal_replay_pause()") }, func() { r.Do("SELECT pg_wal_replay_resume()") },
				func() { r.Do("SELECT pg_promote()") }, func() { r.Do("ALTER SYSTEM SET default_transaction_read_only = on"); r.Do("SELECT pg_reload_conf()") }}
		},
	}
}

// hold runs a statement in a session that stays open until it is undone.
func hold(t *testing.T, driver, name, statement string) (undo func()) {
	t.Helper()
	db, err := sql.Open(driver, name)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
	return func() { _ = db.Close() }
}

func startMariaDB(t *testing.T) engine {
	t.Helper()
	s := mariadbtest.Start(t)
	s.Do(mariadbtest.Heartbeats)
	const others = "FROM information_schema.processlist WHERE user = 'admin' AND command NOT LIKE 'Binlog%' AND id <> CONNECTION_ID()"
	return engine{
		server:   s,
		sessions: func() int { return number(t, s.Do("SELECT count(*) "+others)) },
		cut: func() {
			for id := range strings.FieldsSeq(s.Do("SELECT id " + others)) {
				s.Do("KILL " + id)
			}
		},
		lock: func() func() {
			return hold(t, "mysql", strings.NewReplacer("mysql://", "", "@", "@tcp(", "/shop", ")/shop?multiStatements=true").Replace(s.URL()), "BEGIN; SELECT * FROM leeward_heartbeat FOR UPDATE")
		},
		deny: func() { s.Do("DROP TABLE leeward_heartbeat") },
		gone: func() {
			s.Do("INSERT INTO leeward_heartbeat VALUES ('gone', UTC_TIMESTAMP(6) + INTERVAL 1 YEAR, 123456789012345678)")
		},
		rows: func(vantage string) int {
			return number(t, s.Do("SELECT count(*) FROM leeward_heartbeat WHERE at > UTC_TIMESTAMP() - INTERVAL 1 MINUTE AND vantage = '"+vantage+"'"))
		},
		plain: func() string { return "" },
		follow: func() follower {
			r := s.Follow()
			return follower{r, func() { r.Do("STOP SLAVE SQL_THREAD") }, func() { r.Do("START SLAVE SQL_THREAD") },
				func() { r.Do("STOP SLAVE; SET GLOBAL read_only = 0") }, func() { r.Do("SET GLOBAL read_only = 1") }}
		},
	}
}

func startRedis(t *testing.T) engine {
	t.Helper()
	s := redistest.Start(t)
	return engine{
		server:   s,
		sessions: func() int { return strings.Count(s.Do("CLIENT", "LIST", "TYPE", "normal"), "name= ") - 1 },
		cut:      func() { s.Do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes") },
		lock: func() func() {
			s.Do("CLIENT", "PAUSE", "60000", "WRITE")
			return func() { s.Do("CLIENT", "UNPAUSE") }
		},
		deny: func() { s.Do("ACL", "SETUSER", "default", "-xadd", "-xrevrange") },
		gone: func() {
			s.Do("XADD", "leeward:heartbeat", strconv.FormatInt(time.Now().AddDate(-1, 0, 0).UnixMilli(), 10), "vantage", "gone")
		},
		rows:  func(vantage string) int { return strings.Count(s.Do("XRANGE", "leeward:heartbeat", "-", "+"), vantage) },
		plain: func() string { return "" },
		follow: func() follower {
			r := s.Follow()
			return follower{r, r.Leave, func() { r.Rejoin(s) }, func() { r.Do("REPLICAOF", "NO", "ONE") }, func() { r.Leave(); r.Do("CONFIG", "SET", "replica-read-only", "no") }}
		},
	}
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

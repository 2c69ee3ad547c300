package probe_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leeward-failover/leeward/pkg/postgrestest"
	"github.com/leeward-failover/leeward/pkg/socks"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/probe"
	"github.com/leeward-failover/leeward/services/prober/internal/target"
)

// connect connects as somebody else than the prober.
func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url+"&application_name=test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func TestPostgres(t *testing.T) {
	d := postgrestest.Start(t)
	d.Do(postgrestest.Heartbeats)
	k := kit(t)
	conn := connect(t, d.URL())
	one := func(sql string) (n int) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), sql).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	const ours = "FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name <> 'test'"
	for _, kind := range []schemas.Kind{schemas.KindDBRead, schemas.KindDBWrite} {
		if s := expect(t, k, kind, d.URL(), schemas.OK); s.ConnectUS == 0 {
			t.Errorf("the first %s opened no connection: %+v", kind, s)
		}
		for range 3 {
			if s := expect(t, k, kind, d.URL(), schemas.OK); s.ConnectUS != 0 || s.FirstByteUS == 0 {
				t.Errorf("a later %s did not use the open connection: %+v", kind, s)
			}
		}
	}
	if n := one("SELECT count(*) " + ours); n != 2 {
		t.Errorf("%d connections, want one for reads and one for writes", n)
	}
	if n := one("SELECT count(*) FROM leeward_heartbeat WHERE vantage = 'london' AND at > now() - interval '10 seconds'"); n != 1 {
		t.Errorf("%d fresh heartbeats, want 1", n)
	}

	one("SELECT count(pg_terminate_backend(pid)) " + ours)
	if s := expect(t, k, schemas.KindDBRead, d.URL(), schemas.OK); s.ConnectUS == 0 {
		t.Errorf("a broken connection was not made anew: %+v", s)
	}

	lock, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Exec(t.Context(), "LOCK TABLE leeward_heartbeat IN EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	expect(t, k, schemas.KindDBWrite, d.URL(), schemas.TimedOut)
	expect(t, k, schemas.KindDBRead, d.URL(), schemas.OK)
	if err := lock.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect(t, k, schemas.KindDBWrite, d.URL(), schemas.OK)

	d.Do("DROP TABLE leeward_heartbeat")
	for _, kind := range []schemas.Kind{schemas.KindDBRead, schemas.KindDBWrite} {
		expect(t, k, kind, d.URL(), schemas.OtherError)
		if _, err := measure(k, kind, d.URL()); !errors.Is(err, probe.ErrDenied) {
			t.Errorf("a server without the table: %v, want denied", err)
		}
	}

	d.Stop()
	_, err = measure(k, schemas.KindDBRead, d.URL())
	if errors.Is(err, probe.ErrDenied) {
		t.Errorf("a server that is gone denied: %v", err)
	}
	if s := expect(t, k, schemas.KindDBRead, d.URL(), schemas.Refused); strings.Contains(err.Error(), "secret-word") {
		t.Errorf("the password is in the error of %+v: %v", s, err)
	}
}

// TestHeartbeatsTellHowFarAReplicaFollows writes to a primary and reads from a replica of it.
func TestHeartbeatsTellHowFarAReplicaFollows(t *testing.T) {
	primary := postgrestest.Start(t)
	primary.Do(postgrestest.Heartbeats)
	replica := primary.Follow()
	k := kit(t)
	do := func(kind schemas.Kind, url string) probe.Measurement {
		t.Helper()
		m := k.Measure(t.Context(), target.Target{App: "shop", Region: "tokyo", Kind: kind, Address: url, Timeout: 5 * time.Second}, time.Now())
		if m.Err != nil {
			t.Fatal(m.Err)
		}
		return m
	}
	if m := do(schemas.KindDBRead, replica.URL()); m.Heartbeat.Token != 0 || m.Heartbeat.SeenAt.IsZero() {
		t.Errorf("a replica without any heartbeat holds %+v", m.Heartbeat)
	}
	// A vantage that writes no more, since before the primary's clock was set back a year.
	primary.Do("INSERT INTO leeward_heartbeat VALUES ('gone', now() + interval '1 year', 1)")
	first := do(schemas.KindDBWrite, primary.URL()).Heartbeat
	held := func() schemas.Heartbeat { return do(schemas.KindDBRead, replica.URL()).Heartbeat }
	until := func(token int64) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); held().Token != token; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the replica holds %+v, want token %d", held(), token)
			}
		}
	}
	until(first.Token)
	if h := held(); !h.At.Equal(first.At) || time.Since(h.SeenAt) > 5*time.Second {
		t.Errorf("the replica holds %+v, want %+v", h, first)
	}
	replica.Do("SELECT pg_wal_replay_pause()")
	second := do(schemas.KindDBWrite, primary.URL()).Heartbeat
	if second.Token <= first.Token || !second.At.After(first.At) {
		t.Errorf("the second heartbeat %+v is not after the first %+v", second, first)
	}
	if lag, known := held().Behind(second); !known || lag != second.At.Sub(first.At) {
		t.Errorf("paused: %s behind, known %t; want the time between two heartbeats, %s", lag, known, second.At.Sub(first.At))
	}
	replica.Do("SELECT pg_wal_replay_resume()")
	until(second.Token)
	if lag, known := held().Behind(second); !known || lag != 0 {
		t.Errorf("resumed: %s behind, known %t", lag, known)
	}
	if m := k.Measure(t.Context(), target.Target{Kind: schemas.KindDBWrite, Address: replica.URL(), Timeout: 5 * time.Second}, time.Now()); !errors.Is(m.Err, probe.ErrDenied) {
		t.Errorf("a write to a replica: %v, want denied", m.Err)
	}
	primary.Kill()
	if m := k.Measure(t.Context(), target.Target{Kind: schemas.KindDBWrite, Address: primary.URL(), Timeout: time.Second}, time.Now()); m.Err == nil || errors.Is(m.Err, probe.ErrDenied) {
		t.Errorf("a primary that was killed: %v, want an error that is no denial", m.Err)
	}
	if n := replica.Do("SELECT count(*) FROM leeward_heartbeat WHERE vantage = 'london'"); n != "1" {
		t.Errorf("%s rows of one vantage, want 1", n)
	}
}

func TestDatabaseWhoseURLIsUnreadableKeepsItsSecret(t *testing.T) {
	k := probe.NewKit("london", socks.Dialer{}, func(string) (string, error) { return "postgres://u:secret-word@[broken", nil })
	defer k.Close(t.Context())
	if s, err := measure(k, schemas.KindDBRead, "env:URL"); s.Outcome != schemas.OtherError || strings.Contains(err.Error(), "secret") {
		t.Errorf("ended %s with %v", s.Outcome, err)
	}
}

func TestClosingDoesNotWaitForADatabaseThatIsSilent(t *testing.T) {
	k := probe.NewKit("london", socks.Dialer{}, func(ref string) (string, error) { return ref, nil })
	expect(t, k, schemas.KindDBRead, "postgres://u@"+deafListener(t)+"/d?sslmode=disable", schemas.TimedOut)
	started := time.Now()
	k.Close(t.Context())
	if took := time.Since(started); took > 3*time.Second {
		t.Errorf("closing took %s while a connection was being made", took)
	}
}

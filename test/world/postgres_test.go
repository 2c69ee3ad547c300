package world_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/leeward-failover/leeward/test/world"
	"github.com/leeward-failover/leeward/test/world/site"
)

// databasesFollow writes to the primary of a world that is up and looks for it in the replicas: at once, paused, and after a cut.
func databasesFollow(t *testing.T, p program) {
	connect := func(region site.Site) *pgx.Conn {
		url, err := world.ReadSecret(p.state.ProbeURL(region.Name))
		if err != nil {
			t.Fatal(err)
		}
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(t.Context()) })
		return conn
	}
	const write = "INSERT INTO leeward_heartbeat VALUES ('test', clock_timestamp(), txid_current()) ON CONFLICT (vantage) DO UPDATE SET at = excluded.at, token = excluded.token RETURNING token"
	primary := connect(site.Primary())
	beat := func() (token int64) {
		t.Helper()
		if err := primary.QueryRow(t.Context(), write).Scan(&token); err != nil {
			t.Fatal(err)
		}
		return token
	}
	holds := func(conn *pgx.Conn, want int64) error {
		var got int64
		if err := conn.QueryRow(t.Context(), "SELECT token FROM leeward_heartbeat WHERE vantage = 'test'").Scan(&got); err != nil || got != want {
			return fmt.Errorf("holds %d, want %d: %v", got, want, err)
		}
		return nil
	}
	first := beat()
	var replicas []*pgx.Conn
	for _, region := range site.Regions[1:] {
		conn := connect(region)
		replicas = append(replicas, conn)
		eventually(t, 5*time.Second, func() error { return holds(conn, first) })
		var refused *pgconn.PgError
		if _, err := conn.Exec(t.Context(), write); !errors.As(err, &refused) || refused.Code != "25006" {
			t.Errorf("a write to %s: %v, want read only", region.Name, err)
		}
	}
	london, dallas := replicas[0], replicas[1]

	p.run(t, "pause-replica", "london")
	second := beat()
	eventually(t, 5*time.Second, func() error { return holds(dallas, second) })
	if err := holds(london, first); err != nil {
		t.Errorf("the paused replica: %v", err)
	}
	p.run(t, "resume-replica", "london")
	eventually(t, 5*time.Second, func() error { return holds(london, second) })

	p.run(t, "cut", "dallas")
	third := beat()
	eventually(t, 5*time.Second, func() error { return holds(london, third) })
	// Longer than the two ends take to give the connection up.
	eventually(t, 15*time.Second, func() error { return released(p, "dallas") })
	p.run(t, "heal", "dallas")
	dallas = connect(site.Regions[2])
	eventually(t, 15*time.Second, func() error { return holds(dallas, third) })

	for _, id := range []string{"tokyo-shop-slim", "frankfurt-shop-single"} {
		region, _, _ := strings.Cut(id, "-")
		at, err := site.Region(region)
		if err != nil {
			t.Fatal(err)
		}
		environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", world.Containers()[id][0]))
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"DATABASE_URL": site.Primary().Postgres(), "DATABASE_READ_URL": at.Postgres()} {
			_, rest, _ := strings.Cut("\x00"+string(environment), "\x00"+name+"=")
			if value, _, _ := strings.Cut(rest, "\x00"); !strings.Contains(value, "@"+want+"/") {
				t.Errorf("%s of %s does not lead to %s", name, id, want)
			}
		}
	}
}

// released says whether the log of a region's database tells that it lost the primary.
func released(p program, region string) error {
	text, err := os.ReadFile(p.state.Logs() + "/postgres-" + region + ".log")
	if err == nil && !strings.Contains(string(text), "terminating walreceiver") {
		err = errors.New("the replica has not noticed the cut")
	}
	return err
}

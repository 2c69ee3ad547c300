package chembed_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/chembed"
	"github.com/leeward-failover/leeward/pkg/chembedtest"
)

func TestOnlyTheTokenOpens(t *testing.T) {
	e := chembedtest.StartEngine(t)
	type credentials struct{ basicUser, basic, headerUser, header, query string }
	for c, want := range map[credentials]int{
		{}:                                            401,
		{basicUser: "leeward", basic: "wrong"}:        401,
		{basicUser: "leeward"}:                        401,
		{basicUser: "root", basic: "test-token"}:      401,
		{header: "test-toke"}:                         401,
		{query: "test-token1"}:                        401,
		{basicUser: "leeward", basic: "test-token"}:   200,
		{basicUser: "default", basic: "test-token"}:   200,
		{headerUser: "leeward", header: "test-token"}: 200,
		{header: "test-token"}:                        200,
		{query: "test-token"}:                         200,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+e.Addr()+"/", strings.NewReader("SELECT 1"))
		if err != nil {
			t.Fatal(err)
		}
		if c.basicUser != "" {
			req.SetBasicAuth(c.basicUser, c.basic)
		}
		req.Header.Set("X-ClickHouse-User", c.headerUser)
		req.Header.Set("X-ClickHouse-Key", c.header)
		if c.query != "" {
			req.URL.RawQuery = "password=" + c.query
		}
		a, err := do(req)
		if err != nil || a.status != want {
			t.Errorf("%+v: status %d, %v, want %d", c, a.status, err, want)
		}
		if want == 401 && (a.header.Get("X-ClickHouse-Exception-Code") != "516" || strings.Contains(a.body, "1\n")) {
			t.Errorf("%+v: %q", c, a.body)
		}
	}
	if res, err := http.Get("http://" + e.Addr() + "/ping"); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("/ping without a token: %v, %v", res, err)
	}
}

func TestServeRefusesAnythingButLoopback(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:8123", "10.88.0.1:0", "example.com:80", "8123"} {
		err := chembed.Serve(t.Context(), chembed.Options{Library: "none", Dir: t.TempDir(), Addr: addr, Token: "t"})
		if err == nil || !strings.Contains(err.Error(), "address") {
			t.Errorf("%s: %v, want an error about the address", addr, err)
		}
	}
	if err := chembed.Serve(t.Context(), chembed.Options{Library: "none", Dir: t.TempDir(), Addr: "127.0.0.1:0"}); err == nil || !strings.Contains(err.Error(), "token") {
		t.Errorf("without a token: %v", err)
	}
}

func TestSecondProcessOnADirectoryIsToldWhy(t *testing.T) {
	e := chembedtest.StartEngine(t)
	second, err := chembedtest.Command(e.Dir(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stdin, err := second.StdinPipe() // open, so that it has no other reason to end
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	out, err := second.CombinedOutput()
	if err == nil || !strings.Contains(string(out), e.Dir()+": already open by another process") {
		t.Errorf("second process: %v, %s", err, out)
	}
	run(t, e, "SELECT 1") // and the first one does not mind
}

func TestServeStopsWhenAskedAndFinishesWhatRuns(t *testing.T) {
	e := chembedtest.StartEngine(t)
	run(t, e, "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
	var g errgroup.Group
	feed, body := io.Pipe()
	g.Go(func() error {
		a, err := ask(t.Context(), e, pairs("query", "INSERT INTO t FORMAT CSV"), feed)
		if err == nil && a.status != http.StatusOK {
			err = errors.New(a.body)
		}
		return err
	})
	io.WriteString(body, strings.Repeat("1\n", 2<<20)) // more than the server reads before it begins
	for run(t, e, "SELECT count() FROM system.processes WHERE query LIKE 'INSERT INTO t%'") != "1\n" {
	}
	e.Interrupt()
	io.WriteString(body, "2\n")
	body.Close()
	if err := g.Wait(); err != nil {
		t.Errorf("insert under way: %v", err)
	}
	e.Wait()
	e.Restart()
	if got := run(t, e, "SELECT count() FROM t"); got != fmt.Sprintln(2<<20+1) {
		t.Errorf("%q rows, want %d", got, 2<<20+1)
	}
}

// Whatever happens to the sender, a body that did not end lands nothing.
func TestInsertThatBreaksOffLandsNothing(t *testing.T) {
	e := chembedtest.StartEngine(t)
	run(t, e, "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
	head := "POST /?password=" + chembedtest.Token + "&query=INSERT+INTO+t+FORMAT+CSV HTTP/1.1\r\nHost: x\r\n"
	many := strings.Repeat("1234567\n", 300_000) // breaks off after the insert has begun
	for name, request := range map[string]string{
		"length, long":  head + "Content-Length: 9000000\r\n\r\n" + many,
		"chunked, long": head + "Transfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n", len(many), many),
		"length":        head + "Content-Length: 1000\r\n\r\n1\n2\n3\n",
		"chunked":       head + "Transfer-Encoding: chunked\r\n\r\n6\r\n1\n2\n3\n\r\n",
	} {
		conn, err := net.Dial("tcp", e.Addr())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		conn.(*net.TCPConn).CloseWrite()
		answer, _ := io.ReadAll(conn)
		if strings.Contains(string(answer), " 200 ") {
			t.Errorf("%s: acknowledged: %s", name, answer)
		}
		conn.Close()
	}
	if got := run(t, e, "SELECT count() FROM t"); got != "0\n" {
		t.Errorf("%q rows landed", got)
	}
}

func TestQueryOfAGoneClientIsKilled(t *testing.T) {
	e := chembedtest.StartEngine(t)
	run(t, e, "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
	running := func(verb string) bool {
		return run(t, e, "SELECT count() FROM system.processes WHERE query LIKE {like:String} AND query NOT LIKE '%system.processes%'", "param_like", verb+"%storm%") != "0\n"
	}
	for verb, query := range map[string]string{
		"SELECT": "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number, 'storm'))",
		"INSERT": "INSERT INTO t SELECT sipHash64(number, 'storm') FROM numbers(1000000000000)",
		"WITH":   "WITH 'storm' AS s SELECT number, s FROM numbers(1000000000000)",
	} {
		ctx, hangUp := context.WithCancel(t.Context())
		var g errgroup.Group
		g.Go(func() error {
			_, err := ask(ctx, e, nil, strings.NewReader(query))
			return err
		})
		for !running(verb) {
		}
		hangUp()
		gone := time.Now()
		if err := g.Wait(); verb != "WITH" && !errors.Is(err, context.Canceled) { // a stream's answer had begun
			t.Fatalf("%s ended by itself: %v", verb, err)
		}
		for running(verb) {
			if time.Since(gone) > 10*time.Second {
				t.Fatalf("%s still runs 10 s after its client went away", verb)
			}
		}
		t.Logf("%s was gone %s after its client", verb, time.Since(gone).Round(time.Millisecond))
	}
}

func TestSlowQueriesDoNotHoldUpInserts(t *testing.T) {
	e := chembedtest.StartEngine(t)
	run(t, e, "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
	ctx, hangUp := context.WithCancel(t.Context())
	var g errgroup.Group
	endless := func() error {
		ask(ctx, e, nil, strings.NewReader("SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))"))
		return nil
	}
	for range 7 { // all places for queries but the one from which the test looks on
		g.Go(endless)
	}
	for run(t, e, "SELECT count() FROM system.processes WHERE query LIKE '%sipHash64%'") < "8\n" { // it counts itself
	}
	for range 8 {
		g.Go(endless)
	}
	var worst time.Duration
	for i := range 20 {
		begin := time.Now()
		run(t, e, fmt.Sprintf("INSERT INTO t VALUES (%d)", i))
		worst = max(worst, time.Since(begin))
	}
	hangUp()
	g.Wait()
	t.Logf("slowest insert beside 8 endless queries: %s", worst.Round(time.Millisecond))
	if worst > 5*time.Second { // with the queries before it, it would wait for ever
		t.Errorf("an insert took %s", worst)
	}
}

func TestKilledEngineKeepsEveryAcknowledgedRow(t *testing.T) {
	e := chembedtest.StartEngine(t)
	run(t, e, `CREATE TABLE t (writer UInt8, n UInt64) ENGINE = MergeTree ORDER BY (writer, n)
		SETTINGS fsync_after_insert = 1, fsync_part_directory = 1`)
	const writers, kills = 4, 3
	var acknowledged [writers]uint64
	for range kills {
		var inserts atomic.Int64
		enough := make(chan struct{})
		var g errgroup.Group
		for w := range writers {
			g.Go(func() error {
				for n := acknowledged[w] + 1; ; n++ {
					body := fmt.Sprintf("INSERT INTO t FORMAT CSV\n%d,%d\n", w, n)
					if !lands(t.Context(), e, body) { // killed
						return nil
					}
					acknowledged[w] = n
					if inserts.Add(1) == 100 {
						close(enough)
					}
				}
			})
		}
		<-enough
		e.Kill()
		g.Wait()
		e.Restart()
		for w := range writers {
			got := run(t, e, "SELECT count(DISTINCT n), max(n) >= {acked:UInt64} FROM t WHERE writer = {w:UInt8} AND n <= {acked:UInt64}",
				"param_w", fmt.Sprint(w), "param_acked", fmt.Sprint(acknowledged[w]))
			if want := fmt.Sprintf("%d\t1\n", acknowledged[w]); got != want {
				t.Fatalf("writer %d: %q, want %q", w, got, want)
			}
		}
	}
}

func lands(ctx context.Context, e *chembedtest.Engine, insert string) bool {
	a, err := ask(ctx, e, nil, strings.NewReader(insert))
	return err == nil && a.status == http.StatusOK
}

func TestLocateNamesTheWaysOut(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // no npm
	ways := []string{"npm", "LEEWARD_LIBCHDB", "clickhouse://"}
	for name, src := range map[string]chembed.Source{
		"no npm":          {CacheDir: t.TempDir()},
		"no such library": {File: filepath.Join(t.TempDir(), "libchdb.so")},
	} {
		_, err := chembed.Locate(t.Context(), src)
		if !errors.Is(err, chembed.ErrNoLibrary) {
			t.Errorf("%s: %v, want ErrNoLibrary", name, err)
			continue
		}
		for _, way := range ways {
			if !strings.Contains(err.Error(), way) {
				t.Errorf("%s: %v does not name %s", name, err, way)
			}
		}
	}
}

// An npm that hands over something else must not end in the cache.
func TestLocateRefusesATamperedPackage(t *testing.T) {
	bin, cache := t.TempDir(), t.TempDir()
	npm := "#!/bin/sh\nprintf tampered > \"$5/chdb.tgz\"\n"
	if err := os.WriteFile(filepath.Join(bin, "npm"), []byte(npm), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":/bin:/usr/bin")
	_, err := chembed.Locate(t.Context(), chembed.Source{CacheDir: cache})
	if err == nil || !strings.Contains(err.Error(), "integrity is sha512-") {
		t.Errorf("tampered package: %v, want an integrity error", err)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "*", "*")); len(left) > 0 {
		t.Errorf("left in the cache: %v", left)
	}
}

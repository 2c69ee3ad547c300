package recorder_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/schemas"
)

// cut is a way to ClickHouse that can lose the answer of an INSERT that worked: the worst moment for exactly once.
type cut struct {
	server *httptest.Server
	// lose is called with the table of each INSERT that worked; the answer is lost when it returns true.
	lose atomic.Pointer[func(table string) bool]
	lost atomic.Int64
	// delay is called with each INSERT before it is sent on; the recorder is told at once that it broke off, and the INSERT arrives after that time.
	delay   atomic.Pointer[func(table string) time.Duration]
	delayed sync.WaitGroup
}

func newCut(w *world) *cut {
	c := &cut{}
	target := &url.URL{Scheme: "http", Host: w.engine.Addr()}
	proxy := &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ModifyResponse: c.answer,
	}
	c.server = httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		table, isInsert := insertInto(r)
		if delay := c.delay.Load(); isInsert && delay != nil {
			if d := (*delay)(table); d > 0 {
				c.late(target.Host, r, d)
				panic(http.ErrAbortHandler)
			}
		}
		proxy.ServeHTTP(answer, r)
	}))
	c.server.Config.ErrorLog = nil
	w.Cleanup(c.server.Close)
	w.env["LEEWARD_CLICKHOUSE_DSN"] = strings.Replace(w.engine.DSN(), w.engine.Addr(), c.server.Listener.Addr().String(), 1)
	return c
}

func insertInto(r *http.Request) (table string, isInsert bool) {
	statement, isInsert := strings.CutPrefix(r.URL.Query().Get("query"), "INSERT INTO `")
	table, _, _ = strings.Cut(statement, "`")
	return table, isInsert
}

// late sends an INSERT on when its sender has long given it up.
func (c *cut) late(host string, r *http.Request, d time.Duration) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	again := r.Clone(context.WithoutCancel(r.Context()))
	again.URL.Scheme, again.URL.Host, again.RequestURI, again.Body = "http", host, "", io.NopCloser(bytes.NewReader(body))
	c.delayed.Go(func() {
		time.Sleep(d)
		if answer, err := http.DefaultClient.Do(again); err == nil {
			_ = answer.Body.Close()
		}
	})
}

func (c *cut) answer(r *http.Response) error {
	table, isInsert := insertInto(r.Request)
	lose := c.lose.Load()
	if !isInsert || r.StatusCode != http.StatusOK || lose == nil {
		return nil
	}
	// Only when the whole answer is there is the INSERT known to have worked.
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return err
	}
	if (*lose)(table) {
		c.lost.Add(1)
		panic(http.ErrAbortHandler)
	}
	r.Body = http.NoBody
	r.ContentLength = 0
	r.Header.Del("Content-Length")
	return nil
}

// wantOnce checks that every sample published is there once, in the table and in its rollup.
func (w *world) wantOnce(published uint64) {
	w.Helper()
	w.untilDone(schemas.Samples)
	for query, want := range map[string]uint64{
		"SELECT count() FROM samples": published,
		"SELECT count() FROM (SELECT vantage, boot, counter, batch_row, count() AS n FROM samples GROUP BY ALL HAVING n > 1)": 0,
		"SELECT count() FROM (SELECT stream_sequence, batch_row, count() AS n FROM samples GROUP BY ALL HAVING n > 1)":        0,
		"SELECT toUInt64(sum(samples)) FROM samples_1m":                                                                       published,
		"SELECT toUInt64(sum(failures) = (SELECT countIf(outcome != 'ok') FROM samples)) FROM samples_1m":                     1,
	} {
		if got, err := w.number(query); err != nil || got != want {
			w.Errorf("%s: %d, %v, want %d", query, got, err, want)
		}
	}
}

func TestRecorderKilledAfterAnInsertInsertsItOnce(t *testing.T) {
	w := newWorld(t)
	c := newCut(w)
	child := w.start(nil)
	killed := make(chan struct{})
	var once atomic.Bool
	lose := func(table string) bool {
		if table != "samples" || once.Swap(true) {
			return false
		}
		kill(child)
		close(killed)
		return true
	}
	c.lose.Store(&lose)
	prober := w.bus.Connect(schemas.Prober, "tokyo")
	for counter := range uint64(10) {
		if err := publish(t.Context(), prober, batch("tokyo", counter+1, 100, time.Now())); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-killed:
	case <-time.After(patience):
		t.Fatal("the recorder inserted nothing")
	}
	w.start(nil)
	w.wantOnce(1000)
}

func TestLostAnswersLandOnce(t *testing.T) {
	w := newWorld(t)
	c := newCut(w)
	w.run(map[string]string{"LEEWARD_FLUSH_ROWS": "100"})
	w.untilReady()
	var inserts atomic.Int64
	lose := func(string) bool { return inserts.Add(1)%2 == 1 && c.lost.Load() < 5 }
	c.lose.Store(&lose)
	prober := w.bus.Connect(schemas.Prober, "tokyo")
	for counter := range uint64(20) {
		if err := publish(t.Context(), prober, batch("tokyo", counter+1, 50, time.Now())); err != nil {
			t.Fatal(err)
		}
	}
	w.wantOnce(1000)
	if c.lost.Load() < 5 {
		t.Errorf("%d answers were lost, want 5: nothing was tested", c.lost.Load())
	}
}

func TestNothingIsLostOrDoubledWhenPartsAreKilled(t *testing.T) {
	w := newWorld(t)
	c := newCut(w)
	env := map[string]string{"LEEWARD_FLUSH_INTERVAL": "20ms"}
	child := w.start(env)
	// A recorder that is killed in the middle of a migration makes the next one wait for its lock.
	w.untilReady()
	random := rand.New(rand.NewPCG(2, 1))
	lottery := func(string) bool { return rand.IntN(4) == 0 }
	c.lose.Store(&lottery)

	var published atomic.Uint64
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var probers errgroup.Group
	for _, vantage := range []string{"tokyo", "frankfurt"} {
		prober := w.bus.Connect(schemas.Prober, vantage)
		probers.Go(func() error {
			for counter := uint64(1); ctx.Err() == nil; counter++ {
				if err := publish(t.Context(), prober, batch(vantage, counter, 30, time.Now())); err != nil {
					return err
				}
				published.Add(30)
			}
			return nil
		})
	}
	for round := range 9 {
		w.untilReady()
		// The moment of the kill is the random part of the test.
		time.Sleep(time.Duration(50+random.IntN(450)) * time.Millisecond)
		if round%3 == 2 {
			w.engine.Kill()
			time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
			w.engine.Restart()
		} else {
			kill(child)
			child = w.start(env)
		}
	}
	stop()
	if err := probers.Wait(); err != nil {
		t.Fatal(err)
	}
	c.lose.Store(nil)
	w.wantOnce(published.Load())
	t.Logf("%d samples, %d answers lost", published.Load(), c.lost.Load())
}

package console_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
)

// TestARankingAndAFailoverArriveLive looks at pages while what they show changes, and never loads them again.
func TestARankingAndAFailoverArriveLive(t *testing.T) {
	t.Parallel()
	y := newSystem(t, nil)
	y.populate()
	p := open(t, y.gate.url())
	p.load("/ui/ranking?app=shop")
	p.says("41.7")
	must[bool](p, "window.mine = document.querySelector('#of-london-slim').open = true")
	p.says("638 km")
	p.says("300 km")
	r := y.ranking()
	for i := range r.Orders {
		r.Orders[i].Candidates[2].CostMS, r.Orders[i].Candidates[2].LowMS = 23.4, 22.9
	}
	put(y, y.ranker, schemas.RankingBucket, r)
	p.says("23.4")
	if !must[bool](p, "window.mine === true && document.querySelector('#of-london-slim').open") {
		t.Error("the page was loaded again, or what was open is closed")
	}

	p.load("/")
	p.says("is served by")
	must[bool](p, "window.mine = true")
	y.see(map[string]bool{"frankfurt": true})
	p.says("4 of 4 vantages that can see say frankfurt is down")
	p.says("blind, 0 of 3 anchors")
	plan := y.plan("live", schemas.PlanRunning)
	put(y, y.actuator, schemas.PlanBucket, plan)
	p.says("A failover is running")
	p.await("the link to it", `!!document.querySelector('a[href="/ui/failovers/shop/live"]')`)
	if !must[bool](p, "window.mine") {
		t.Error("the page was loaded again")
	}

	p.load("/ui/failovers/shop/live")
	p.says("is being moved from frankfurt/slim to london/slim")
	must[bool](p, "window.mine = true")
	p.await("the second step started", `document.querySelector('[data-key="step-2"]').innerText.includes("started")`)
	put(y, y.actuator, schemas.PlanBucket, finish(plan))
	p.says("moved from frankfurt/slim to london/slim.")
	p.await("every step", `[1,2,3,4].every(n => /applied|passed/.test(document.querySelector('[data-key="step-' + n + '"]').innerText))`)
	p.await("the parts drawn", `document.querySelectorAll(".parts rect").length === 5`)
	p.await("those who listen are told", `document.querySelector("#news").textContent.includes("moved from frankfurt/slim")`)
	if !must[bool](p, "window.mine") {
		t.Error("the page was loaded again")
	}
	p.quiet()
}

// relay is a way to the gateway that can be cut.
type relay struct {
	listener net.Listener

	mu    sync.Mutex
	to    string
	conns []net.Conn
	work  sync.WaitGroup
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listener: l, to: to}
	r.work.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			r.mu.Lock()
			to := r.to
			r.mu.Unlock()
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			r.mu.Lock()
			r.conns = append(r.conns, in, out)
			r.mu.Unlock()
			r.work.Go(func() { _, _ = io.Copy(out, in); _ = out.Close() })
			r.work.Go(func() { _, _ = io.Copy(in, out); _ = in.Close() })
		}
	})
	t.Cleanup(func() { _ = l.Close(); r.cut(); r.work.Wait() })
	return r
}

// lead has new connections end somewhere else.
func (r *relay) lead(to string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to = to
}

// cut breaks every open connection.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		_ = c.Close()
	}
	r.conns = nil
}

var errEnd = errors.New("end of the stream")

// sequences are those of every event the stream holds.
func (y *system) sequences() []uint64 {
	y.t.Helper()
	ctx, cancel := context.WithTimeout(y.t.Context(), patience)
	defer cancel()
	b := y.bus.Connect(schemas.Recorder, "")
	state, err := b.State(ctx, schemas.Events)
	if err != nil {
		y.t.Fatal(err)
	}
	var all []uint64
	err = b.Tail(ctx, schemas.Events, 1, nil, func(m bus.Message) error {
		if all = append(all, m.Sequence); m.Sequence == state.Last {
			return errEnd
		}
		return nil
	})
	if !errors.Is(err, errEnd) {
		y.t.Fatal(err)
	}
	return all
}

// TestNoEventIsLostWhenTheConnectionOrTheGatewayGoes compares the page with the stream after both went away under it.
func TestNoEventIsLostWhenTheConnectionOrTheGatewayGoes(t *testing.T) {
	t.Parallel()
	y := newSystem(t, nil)
	y.gate.apply(y.yaml)
	way := newRelay(t, y.gate.addr)
	p := open(t, "http://"+way.listener.Addr().String())
	p.load("/ui/events")
	p.says("topology.changed")
	p.await("the stream", `document.querySelector("#link").classList.contains("on")`)
	must[bool](p, "window.mine = true")
	n := 0
	send := func(count int) {
		for range count {
			n++
			publish(y, y.probers["london"], schemas.HealthChangedTopic, schemas.HealthChanged{Vantage: "london", App: "shop", Region: "tokyo", From: schemas.Up, To: schemas.Down, Round: uint64(n), Reason: fmt.Sprint("event ", n), At: time.Now()})
		}
	}
	send(3)
	p.says("event 3")
	way.cut()
	send(4)
	p.says("event 7")
	y.gate.stop()
	p.await("the page says that it is not live", `!document.querySelector("#lost").hidden && document.querySelector("#link").innerText.includes("not live")`)
	send(5)
	// A proxy with nobody behind it refuses, and browsers do not come back from a refusal by themselves.
	refused := make(chan struct{})
	var once sync.Once
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		if r.URL.Path == "/ui/live" {
			once.Do(func() { close(refused) })
		}
	}))
	defer proxy.Close()
	way.lead(proxy.Listener.Addr().String())
	select {
	case <-refused:
	case <-time.After(patience):
		t.Fatal("the page did not try again")
	}
	y.gate.start()
	way.lead(y.gate.addr)
	way.cut()
	send(3)
	p.says("event 15")
	p.await("the page says that it is live", `document.querySelector("#lost").hidden`)
	shown := must[[]uint64](p, `[...document.querySelectorAll("#facts tr")].map(r => Number(r.id.slice(1)))`)
	slices.Reverse(shown)
	if want := y.sequences(); !slices.Equal(shown, want) {
		t.Errorf("the page shows %v, the stream holds %v", shown, want)
	}
	if !must[bool](p, "window.mine") {
		t.Error("the page was loaded again")
	}
	must[bool](p, `document.querySelector("#pause").click() || true`)
	send(1)
	p.load("/ui/events?type=health.changed&q=event+16")
	p.says("event 16")
	if rows := must[int](p, `document.querySelectorAll("#facts tr").length`); rows != 1 {
		t.Errorf("the filter shows %d rows, want 1", rows)
	}
}

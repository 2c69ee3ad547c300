package console

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
)

const (
	// gather is how long changes are gathered before a page is told of them: every vantage rewrites its verdicts every round.
	gather = 150 * time.Millisecond
	// keepAlive is the pause after which an idle stream says the time, so that proxies keep it open and pages know how old they are.
	keepAlive = 5 * time.Second
)

// live tells a page what changed, as server-sent events: `state` with the mirrors that changed, and, for the page of events, `fact` with the row of each event that the
// page's filter lets through. A fact's id is its sequence; a page that comes back with the last one gets every later one.
func (c *Console) live(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	ctx, stop := context.WithCancel(r.Context())
	defer stop()
	s := stream{w: w, flush: func() {}}
	if f, ok := w.(http.Flusher); ok {
		s.flush = f.Flush
	}
	facts, done := make(chan fact), make(chan struct{})
	if r.URL.Query().Has("after") {
		from, wiped, err := c.from(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		if wiped {
			s.preface = "event: wiped\ndata: \n\n"
		}
		go func() {
			defer close(done)
			_ = c.Bus.Tail(ctx, schemas.Events, from, nil, func(m bus.Message) error {
				select {
				case facts <- factOf(m):
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
		}()
	} else {
		close(done)
	}
	defer func() { stop(); <-done }()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	c.follow(ctx, &s, facts, filterOf(r.URL.Query()))
}

// from is the first event a stream shows: the one after the last that the page has seen. wiped says that the page has seen more than there is: the stream was made anew.
func (c *Console) from(r *http.Request) (from uint64, wiped bool, err error) {
	seen := r.URL.Query().Get("after")
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		seen = last
	}
	n, err := strconv.ParseUint(seen, 10, 64)
	if err != nil {
		return 0, false, fmt.Errorf("after and Last-Event-ID are sequences of events: whole numbers")
	}
	look, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	state, err := c.Bus.State(look, schemas.Events)
	if err != nil {
		return 0, false, fmt.Errorf("the bus does not answer: %w", err)
	}
	if n == 0 {
		// The page was drawn before the events were read: it begins where one drawn now would.
		return state.Last - min(state.Last, keepEvents) + 1, false, nil
	}
	return n + 1, n > state.Last, nil
}

// stream is an open connection to a page.
type stream struct {
	w       http.ResponseWriter
	flush   func()
	preface string
}

func (s *stream) send(format string, args ...any) error {
	if _, err := fmt.Fprintf(s.w, format, args...); err != nil {
		return err
	}
	s.flush()
	return nil
}

// follow sends until the page is gone. A page that just came is told to look at everything: it may have missed any change.
func (c *Console) follow(ctx context.Context, s *stream, facts <-chan fact, wanted filter) {
	watched := c.watched()
	channels := make([]<-chan struct{}, len(watched))
	for i, w := range watched {
		channels[i] = w.changed()
	}
	err := s.send("retry: 500\n\n%sevent: state\ndata: %d all\n\n", s.preface, time.Now().UnixMilli())
	tick := time.NewTicker(gather)
	defer tick.Stop()
	quiet := time.Now()
	for err == nil {
		select {
		case <-ctx.Done():
			return
		case f := <-facts:
			if wanted.lets(f) {
				err = c.sendFact(s, f)
				quiet = time.Now()
			}
		case <-tick.C:
			var names []string
			for i, w := range watched {
				select {
				case <-channels[i]:
					channels[i] = w.changed()
					names = append(names, w.name)
				default:
				}
			}
			if len(names) > 0 || time.Since(quiet) > keepAlive {
				err = s.send("event: state\ndata: %d %s\n\n", time.Now().UnixMilli(), strings.Join(names, " "))
				quiet = time.Now()
			}
		}
	}
}

// sendFact sends an event as the row that the page of events shows.
func (c *Console) sendFact(s *stream, f fact) error {
	var row strings.Builder
	if err := c.pages["events"].ExecuteTemplate(&row, "fact", f); err != nil {
		return err
	}
	return s.send("id: %d\nevent: fact\ndata: %s\n\n", f.Sequence, strings.Join(strings.FieldsFunc(row.String(), func(r rune) bool { return r == '\n' || r == '\r' }), "\ndata: "))
}

// watched is a mirror by name.
type watched struct {
	name    string
	changed func() <-chan struct{}
}

func (c *Console) watched() []watched {
	s := c.State
	return []watched{
		{"topology", s.Topology.Changed}, {"verdicts", s.Verdicts.Changed}, {"vantages", s.Vantages.Changed}, {"rankings", s.Rankings.Changed}, {"routes", s.Routes.Changed},
		{"plans", s.Plans.Changed}, {"images", s.Images.Changed}, {"builds", s.Builds.Changed}, {"benchmarks", s.Benchmarks.Changed},
	}
}

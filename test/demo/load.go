package demo

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// request is what became of one of the client's requests.
type request struct {
	sent, answered time.Time
	status         int
	// region is where the instance that answered runs, from the answer's header.
	region string
}

func (r request) ok() bool { return r.status >= 200 && r.status < 300 }

// load sends requests through the entry at a fixed rate, each on a connection of its own, whatever became of those before.
type load struct {
	url   string
	every time.Duration

	mu       sync.Mutex
	requests []request
}

// run sends until ctx ends and waits for the last answers.
func (l *load) run(ctx context.Context) {
	client := &http.Client{Timeout: 4 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	ticker := time.NewTicker(l.every)
	defer ticker.Stop()
	var group sync.WaitGroup
	defer group.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			group.Go(func() { l.send(client) })
		}
	}
}

func (l *load) send(client *http.Client) {
	r := request{sent: time.Now()}
	if resp, err := client.Get(l.url); err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if err == nil {
			r.status = resp.StatusCode
			r.region, _, _ = strings.Cut(resp.Header.Get("X-Leeward-Instance"), "/")
		}
	}
	r.answered = time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests = append(l.requests, r)
}

// first returns the earliest good answer from a region after a moment.
func (l *load) first(region string, after time.Time) (request, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var best request
	for _, r := range l.requests {
		if r.ok() && r.region == region && r.answered.After(after) && (best.answered.IsZero() || r.answered.Before(best.answered)) {
			best = r
		}
	}
	return best, !best.answered.IsZero()
}

// count counts what was sent between two moments, and how much of it failed.
func (l *load) count(from, to time.Time) (requests, failed int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.requests {
		if r.sent.Before(from) || r.sent.After(to) {
			continue
		}
		requests++
		if !r.ok() {
			failed++
		}
	}
	return requests, failed
}

package load_test

import (
	"context"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway/internal/load"
)

// TestMain has the tests trust the certificate of httptest's servers, which is for 127.0.0.1 and not for localhost.
func TestMain(m *testing.M) {
	server := httptest.NewTLSServer(http.HandlerFunc(quick))
	server.Close()
	dir, err := os.MkdirTemp("", "load-test-*")
	if err != nil {
		panic(err)
	}
	file := filepath.Join(dir, "roots.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		panic(err)
	}
	_ = os.Setenv("SSL_CERT_FILE", file)
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// put puts a load on, and returns what came of it and every sample.
func put(t *testing.T, p load.Plan) (*load.Tally, []schemas.Sample) {
	t.Helper()
	return putWhile(t.Context(), t, p)
}

func putWhile(ctx context.Context, t *testing.T, p load.Plan) (*load.Tally, []schemas.Sample) {
	t.Helper()
	if p.Timeout == 0 {
		p.Timeout = 10 * time.Second
	}
	if p.MaxInFlight == 0 {
		p.MaxInFlight = 1000
	}
	var samples []schemas.Sample
	l := load.Load{Plan: p, Show: func(*load.Tally) {}, Each: func(s schemas.Sample) error {
		samples = append(samples, s)
		return nil
	}}
	tally, err := l.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if tally.Requests != len(samples) {
		t.Errorf("%d requests are counted and %d told of", tally.Requests, len(samples))
	}
	return tally, samples
}

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func quick(http.ResponseWriter, *http.Request) {}

func near(got, want, share float64) bool { return math.Abs(got-want) <= want*share }

// stretch is 10 for the stalls as they were first measured: 3 s of every 10 s, and a request every 200 ms.
var stretch = flag.Int("stretch", 3, "how many times 300 ms of every second the server stalls")

// TestStalledServerIsSeenAsItsUsersSeeIt has a server stall three tenths of the time. Of 50 requests in a period 15 come during the stall and wait for its end.
func TestStalledServerIsSeenAsItsUsersSeeIt(t *testing.T) {
	unit := time.Duration(*stretch) * time.Millisecond
	period, stall := 1000*unit, 300*unit
	var began atomic.Pointer[time.Time]
	url := serve(t, func(http.ResponseWriter, *http.Request) {
		now := time.Now()
		began.CompareAndSwap(nil, &now)
		// A little before the first of the requests, so that it does not matter whether it comes a little early in a later period.
		if in := (now.Sub(*began.Load()) + 2*unit) % period; in < stall {
			time.Sleep(stall - in)
		}
	})
	atBest(t, func() error {
		began.Store(nil)
		tally, _ := put(t, load.Plan{URL: url, Rate: float64(time.Second) / float64(20*unit), Duration: 2 * period})
		latency, service, mean, p90 := tally.Latency(), tally.Service(), 48.1*float64(*stretch), 220*float64(*stretch)
		// The service time says the same, because the requests did not wait to be sent.
		if tally.Sent != 100 || tally.Failed() > 0 || !near(latency.Mean, mean, 0.05) || !near(latency.P90, p90, 0.05) || !near(service.P90, p90, 0.05) {
			return fmt.Errorf("%d requests were sent and %d failed, latency %+v, service time %+v; want 100 and none, and within 5 %% of a mean of %.1f and a p90 of %.1f", tally.Sent, tally.Failed(), latency, service, mean, p90)
		}
		t.Logf("latency %+v, service time %+v", latency, service)
		return nil
	})
}

// atBest does what depends on the processors' time up to five times, so that a busy machine does not fail it.
func atBest(t *testing.T, try func() error) {
	t.Helper()
	for n := 1; ; n++ {
		err := try()
		if err == nil {
			return
		}
		t.Logf("try %d: %v", n, err)
		if n == 5 {
			t.FailNow()
		}
	}
}

func TestRateIsHeldAndEveryRequestArrives(t *testing.T) {
	var arrived atomic.Int64
	url := serve(t, func(http.ResponseWriter, *http.Request) { arrived.Add(1) })
	for name, fresh := range map[string]bool{"on kept connections": false, "on a new one each": true} {
		t.Run(name, func(t *testing.T) {
			atBest(t, func() error {
				arrived.Store(0)
				tally, samples := put(t, load.Plan{URL: url, Rate: 500, Duration: 2 * time.Second, Fresh: fresh})
				if tally.Requests != 1000 || tally.Sent != 1000 || tally.Reached != 1000 || arrived.Load() != 1000 || tally.Failed() > 0 || !near(tally.Rate(), 500, 0.02) {
					return fmt.Errorf("%.1f per second, %d requests, %d sent, %d on a connection, %d at the server, %d failed; want 500 per second, 1000 and no failure",
						tally.Rate(), tally.Requests, tally.Sent, tally.Reached, arrived.Load(), tally.Failed())
				}
				opened := 0
				for i, s := range samples {
					if s.ConnectUS > 0 {
						opened++
					}
					if sum := s.LateUS + s.DNSUS + s.ConnectUS + s.TLSUS + s.WriteUS + s.FirstByteUS + s.TransferUS; s.FirstByteUS == 0 || sum > s.LatencyUS+10 || s.Status != 200 || s.Kind != schemas.KindBench {
						t.Fatalf("sample %d: %+v, whose phases sum up to %d µs", i, s, sum)
					}
				}
				if fresh && opened != 1000 || !fresh && opened > 500 {
					return fmt.Errorf("%d of 1000 requests opened a connection", opened)
				}
				t.Logf("%.1f per second on %d connections, late %+v", tally.Rate(), opened, tally.Late())
				return nil
			})
		})
	}
}

// Due times are those of the plan, however long the answers take, and each once.
func TestDueTimesAreThoseOfThePlan(t *testing.T) {
	url := serve(t, func(http.ResponseWriter, *http.Request) { time.Sleep(200 * time.Millisecond) })
	tally, samples := put(t, load.Plan{URL: url, Rate: 50, Duration: time.Second})
	seen := map[int64]bool{}
	for _, s := range samples {
		since := time.UnixMicro(s.DueUS).Sub(tally.Began).Round(time.Millisecond)
		seen[since.Milliseconds()] = true
		if since%(20*time.Millisecond) != 0 || s.LatencyUS < 200_000 {
			t.Errorf("due after %s and answered after %d µs, want a multiple of 20 ms, and 200 ms or more", since, s.LatencyUS)
		}
	}
	if len(seen) != 50 {
		t.Errorf("%d due times, want 50", len(seen))
	}
}

func TestRequestsBeyondTheBoundAreTimeOutsThatWereNotSent(t *testing.T) {
	var arrived, open, most atomic.Int64
	release := make(chan struct{})
	url := serve(t, func(http.ResponseWriter, *http.Request) {
		arrived.Add(1)
		n := open.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-release
		open.Add(-1)
	})
	time.AfterFunc(time.Second, func() { close(release) })
	tally, samples := put(t, load.Plan{URL: url, Rate: 100, Duration: 500 * time.Millisecond, Timeout: 5 * time.Second, MaxInFlight: 10, KeepGoing: true})
	if arrived.Load() != 10 || most.Load() != 10 || tally.Sent != 10 || tally.Requests != 50 || tally.Outcomes[schemas.TimedOut] != 40 {
		t.Errorf("%d requests arrived, %d at once; %d were sent, %d timed out of %d; want 10, 10, 10, 40, 50", arrived.Load(), most.Load(), tally.Sent, tally.Outcomes[schemas.TimedOut], tally.Requests)
	}
	for _, s := range samples {
		if s.Outcome == schemas.TimedOut && (s.LatencyUS != 5_000_000 || s.LateUS != 5_000_000) {
			t.Errorf("not sent, and %+v; want the time-out as latency, all of it late", s)
		}
	}
	if l, s := tally.Latency(), tally.Service(); l.P50 < 5000 || s.Max > 5000 || tally.Failure == nil {
		t.Errorf("latency %+v, service %+v, failure %v", l, s, tally.Failure)
	}
}

func TestLoadEndsEarlyWhenMostRequestsFail(t *testing.T) {
	var arrived atomic.Int64
	// The first 100 are well, so that it takes 51 of the last 100.
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if arrived.Add(1) > 100 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	tally, samples := put(t, load.Plan{URL: url, Rate: 200, Duration: 10 * time.Second})
	if tally.Stopped == nil || !strings.Contains(tally.Stopped.Error(), "of the last 100 requests failed") || tally.Requests < 151 || tally.Requests > 1000 {
		t.Errorf("stopped after %d requests because %v, want soon after 151", tally.Requests, tally.Stopped)
	}
	if last := samples[len(samples)-1]; last.Outcome != schemas.BadStatus || last.Status != 503 || tally.Failure == nil || tally.Failure.Error() != "status 503" {
		t.Errorf("last sample %+v, failure %v", last, tally.Failure)
	}
	dead := load.Plan{URL: "http://" + closed(t), Rate: 100, Duration: 500 * time.Millisecond}
	tally, _ = put(t, dead)
	if tally.Stopped == nil || tally.Requests < 20 || tally.Requests == 50 || tally.Outcomes[schemas.Refused] != tally.Requests || tally.Reached != 0 {
		t.Errorf("nobody there: %d requests, %v, stopped because %v", tally.Requests, tally.Outcomes, tally.Stopped)
	}
	dead.KeepGoing = true
	if tally, _ = put(t, dead); tally.Stopped != nil || tally.Requests != 50 {
		t.Errorf("kept going for %d requests, and stopped because %v; want 50", tally.Requests, tally.Stopped)
	}
}

// closed is an address that nobody listens at.
func closed(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func TestPhasesOfARequest(t *testing.T) {
	slow := func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(30 * time.Millisecond)
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		time.Sleep(20 * time.Millisecond)
		_, _ = w.Write([]byte("well"))
	}
	secure := httptest.NewTLSServer(http.HandlerFunc(slow))
	defer secure.Close()
	plain := strings.Replace(serve(t, slow), "127.0.0.1", "localhost", 1)
	for name, test := range map[string]struct {
		plan     load.Plan
		dns, tls bool
		opened   int
	}{
		"TLS, kept":   {load.Plan{URL: secure.URL}, false, true, 1},
		"TLS, fresh":  {load.Plan{URL: secure.URL, Fresh: true}, false, true, 5},
		"name, kept":  {load.Plan{URL: plain}, true, false, 1},
		"name, fresh": {load.Plan{URL: plain, Fresh: true}, true, false, 5},
	} {
		atBest(t, func() error { // one after the other, if there is time
			test.plan.Rate, test.plan.Duration = 4, 1250*time.Millisecond
			_, samples := put(t, test.plan)
			opened := 0
			for _, s := range samples {
				if sum := s.LateUS + s.DNSUS + s.ConnectUS + s.TLSUS + s.WriteUS + s.FirstByteUS + s.TransferUS; sum > s.LatencyUS+10 || sum < s.LatencyUS*9/10 {
					return fmt.Errorf("%s: %+v, whose phases sum up to %d µs", name, s, sum)
				}
				if s.Outcome != schemas.OK || s.WriteUS == 0 || s.FirstByteUS < 29_000 || s.TransferUS < 19_000 {
					t.Fatalf("%s: %+v, want 30 ms to the first byte and 20 ms more", name, s)
				}
				fresh := s.ConnectUS > 0
				if fresh {
					opened++
				}
				if (s.DNSUS > 0) != (fresh && test.dns) || (s.TLSUS > 0) != (fresh && test.tls) {
					t.Fatalf("%s: %+v, want a name looked up %t and a handshake %t", name, s, fresh && test.dns, fresh && test.tls)
				}
			}
			if len(samples) != 5 || opened != test.opened {
				return fmt.Errorf("%s: %d of %d requests opened a connection, want %d", name, opened, len(samples), test.opened)
			}
			return nil
		})
	}
}

func TestOutcomesOfARequest(t *testing.T) {
	secure := httptest.NewTLSServer(http.HandlerFunc(quick))
	defer secure.Close()
	for name, test := range map[string]struct {
		url  string
		want schemas.Outcome
	}{
		"ok":            {serve(t, quick), schemas.OK},
		"a redirect":    {serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/other", http.StatusFound) }), schemas.OK},
		"not found":     {serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }), schemas.BadStatus},
		"no answer":     {serve(t, func(http.ResponseWriter, *http.Request) { time.Sleep(3 * time.Second) }), schemas.TimedOut},
		"half a body":   {serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "9") }), schemas.OtherError},
		"refused":       {"http://" + closed(t), schemas.Refused},
		"no such name":  {"http://nobody.invalid", schemas.NameError},
		"a stranger":    {strings.Replace(secure.URL, "127.0.0.1", "localhost", 1), schemas.TLSError},
		"no TLS at all": {strings.Replace(serve(t, quick), "http:", "https:", 1), schemas.TLSError},
	} {
		tally, samples := put(t, load.Plan{URL: test.url, Rate: 10, Duration: 100 * time.Millisecond, Timeout: 2 * time.Second})
		if len(samples) != 1 || samples[0].Outcome != test.want || (test.want == schemas.OK) != (tally.Failure == nil) {
			t.Errorf("%s: %+v, %v; want one sample with %s", name, samples, tally.Failure, test.want)
		}
		if test.want == schemas.TimedOut && samples[0].LatencyUS < 2_000_000 {
			t.Errorf("%s: %d µs, want 2 s or more", name, samples[0].LatencyUS)
		}
	}
}

func TestServerThatHangsUpIsSeen(t *testing.T) {
	var arrived atomic.Int64
	url := serve(t, func(http.ResponseWriter, *http.Request) {
		if arrived.Add(1)%10 == 0 {
			panic(http.ErrAbortHandler)
		}
	})
	kept, _ := put(t, load.Plan{URL: url, Rate: 100, Duration: time.Second})
	if n := int(arrived.Load()); kept.Sent != 100 || kept.Again+kept.Failed() < 10 || kept.Again == 0 || n != 100+kept.Again {
		t.Errorf("on kept connections: %d sent, %d of them again, %d failed, %d arrived", kept.Sent, kept.Again, kept.Failed(), n)
	}
	arrived.Store(0)
	fresh, _ := put(t, load.Plan{URL: url, Rate: 100, Duration: time.Second, Fresh: true})
	if n := int(arrived.Load()); fresh.Again != 0 || fresh.Outcomes[schemas.OtherError] != 10 || n != 100 {
		t.Errorf("on new connections: %d again, outcomes %v, %d arrived; want none, ten of other, 100", fresh.Again, fresh.Outcomes, n)
	}
}

func TestInterruptEndsWithWhatThereIs(t *testing.T) {
	var asked atomic.Int64
	release := make(chan struct{})
	url := serve(t, func(http.ResponseWriter, *http.Request) {
		if asked.Add(1)%2 == 0 {
			<-release
		}
	})
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(300*time.Millisecond, cancel)
	began := time.Now()
	tally, samples := putWhile(ctx, t, load.Plan{URL: url, Rate: 100, Duration: time.Minute, KeepGoing: true})
	if took := time.Since(began); took > 5*time.Second || !errors.Is(tally.Stopped, load.ErrInterrupted) {
		t.Errorf("ended after %s, stopped because %v", took, tally.Stopped)
	}
	if n := tally.Requests; n != int(asked.Load()) || n < 10 || tally.GivenUp != n/2 || tally.Outcomes[schemas.TimedOut] != tally.GivenUp {
		t.Errorf("%d of %d requests are counted, %d given up, want every second", n, asked.Load(), tally.GivenUp)
	}
	for _, s := range samples {
		if s.Outcome == schemas.TimedOut && (s.LatencyUS < 900_000 || s.LatencyUS > 5_000_000) {
			t.Errorf("given up after %d µs, want a second and a little", s.LatencyUS)
		}
	}
}

func TestLoadEndsWhenNobodyTakesItsSamples(t *testing.T) {
	full := errors.New("disk full")
	_, err := load.Load{Plan: load.Plan{URL: serve(t, quick), Rate: 100, Duration: time.Minute, Timeout: time.Second, MaxInFlight: 10}, Show: func(*load.Tally) {},
		Each: func(schemas.Sample) error { return full }}.Run(t.Context())
	if !errors.Is(err, full) {
		t.Errorf("ended with %v, want %v", err, full)
	}
}

package alert_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/alert"
)

// call is what a receiver was sent.
type call struct {
	token  string
	alerts []struct {
		Labels           map[string]string
		StartsAt, EndsAt time.Time
	}
}

// receiver answers with one status after the other, the last one for ever.
func receiver(t *testing.T, statuses ...int) (address string, calls chan call) {
	t.Helper()
	calls = make(chan call, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := call{token: r.Header.Get("Authorization")}
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &c.alerts); err != nil {
			t.Error(err)
		}
		status := statuses[0]
		if len(statuses) > 1 {
			statuses = statuses[1:]
		}
		w.Header().Set("Location", "http://127.0.0.1:1/")
		w.WriteHeader(status)
		calls <- c
	}))
	t.Cleanup(server.Close)
	return server.URL, calls
}

func run(t *testing.T, s *alert.Sender) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	running := sync.WaitGroup{}
	running.Go(func() { _ = s.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
}

func anomaly(id string, state schemas.AnomalyState, at time.Time) schemas.AnomalyDetected {
	return schemas.AnomalyDetected{ID: id, State: state, App: "shop", Scope: schemas.AnomalyScope{Vantage: "madrid"}, Since: at.Add(-10 * time.Minute), At: at,
		Cells: []schemas.AnomalyCell{{Measures: []schemas.AnomalyMeasure{schemas.AnomalyLoss}}}}
}

func TestAnOpenAnomalyIsHeldAndOneThatIsOverIsResolved(t *testing.T) {
	t.Parallel()
	address, calls := receiver(t, http.StatusOK)
	s := alert.NewSender(address, "t0ken", prometheus.NewCounter(prometheus.CounterOpts{}), zerolog.Nop())
	run(t, s)
	now := time.Now()
	s.Set([]schemas.AnomalyDetected{anomaly("a1", schemas.AnomalyBegan, now), anomaly("a2", schemas.AnomalyEnded, now.Add(-time.Minute))})
	c := <-calls
	if c.token != "Bearer t0ken" || len(c.alerts) != 2 {
		t.Fatalf("sent %+v", c)
	}
	for _, a := range c.alerts {
		left := a.EndsAt.Sub(now)
		if lasts := a.Labels["anomaly"] == "a1"; lasts && left < 4*time.Minute || !lasts && left > 0 || a.Labels["vantage"] != "madrid" || a.Labels["alertname"] != "LeewardAnomaly" || !a.StartsAt.Before(now) {
			t.Errorf("alert %+v ends in %s", a, left)
		}
	}
}

func TestWhatMayPassIsTriedAgainAndWhatMayNotIsCounted(t *testing.T) {
	t.Parallel()
	failures := prometheus.NewCounter(prometheus.CounterOpts{})
	address, calls := receiver(t, http.StatusServiceUnavailable, http.StatusOK, http.StatusBadRequest)
	s := alert.NewSender(address, "", failures, zerolog.Nop())
	run(t, s)
	all := []schemas.AnomalyDetected{anomaly("a1", schemas.AnomalyBegan, time.Now())}
	s.Set(all)
	<-calls
	<-calls // again, by itself
	if n := testutil.ToFloat64(failures); n != 0 {
		t.Errorf("%g failures after a try that worked", n)
	}
	s.Set(all)
	<-calls
	for deadline := time.Now().Add(10 * time.Second); testutil.ToFloat64(failures) != 1; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a refusal is not counted")
		}
	}
	if len(calls) != 0 {
		t.Error("a refusal was tried again")
	}
}

func TestATokenIsNotCarriedElsewhere(t *testing.T) {
	t.Parallel()
	failures := prometheus.NewCounter(prometheus.CounterOpts{})
	elsewhere, stolen := receiver(t, http.StatusOK)
	here := httptest.NewServer(http.RedirectHandler(elsewhere, http.StatusTemporaryRedirect))
	t.Cleanup(here.Close)
	s := alert.NewSender(here.URL, "t0ken", failures, zerolog.Nop())
	run(t, s)
	s.Set([]schemas.AnomalyDetected{anomaly("a1", schemas.AnomalyBegan, time.Now())})
	for deadline := time.Now().Add(10 * time.Second); testutil.ToFloat64(failures) != 1; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a redirect is not counted as a failure")
		}
	}
	if len(stolen) != 0 {
		t.Errorf("followed to another place: %+v", <-stolen)
	}
}

func TestNobodyWaitsForAnAlertmanagerThatHangs(t *testing.T) {
	t.Parallel()
	hung := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(hung.Close)
	s := alert.NewSender(hung.URL, "", prometheus.NewCounter(prometheus.CounterOpts{}), zerolog.Nop())
	run(t, s)
	began := time.Now()
	for range 1000 {
		s.Set([]schemas.AnomalyDetected{anomaly("a1", schemas.AnomalyBegan, began)})
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("telling took %s", took)
	}
}

func TestAlertsAreBounded(t *testing.T) {
	t.Parallel()
	address, calls := receiver(t, http.StatusOK)
	s := alert.NewSender(address, "", prometheus.NewCounter(prometheus.CounterOpts{}), zerolog.Nop())
	run(t, s)
	var all []schemas.AnomalyDetected
	for i := range 300 {
		all = append(all, anomaly(strings.Repeat("a", i%60+1), schemas.AnomalyBegan, time.Now()))
	}
	s.Set(all)
	if c := <-calls; len(c.alerts) != 200 {
		t.Errorf("%d alerts in a call, want 200", len(c.alerts))
	}
}

func TestAddressesAreRefusedWithWhatIsWrong(t *testing.T) {
	for address, want := range map[string]string{
		"http://127.0.0.1:9093": "", "https://alertmanager.example.com/am": "", "alertmanager:9093": "is like http://", "ftp://x": "is like http://", "http://": "is like http://",
		"http://ada:secret@127.0.0.1:9093": "LEEWARD_ALERTMANAGER_TOKEN", "http://127.0.0.1:9093?x=1": "no query",
	} {
		err := alert.CheckURL(address)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", address, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret@") {
			t.Errorf("%s: the error shows the secret", address)
		}
	}
}

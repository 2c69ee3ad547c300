package prober_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober"
)

// value sums the metrics of a name whose labels include the wanted ones.
func value(t *testing.T, metrics *prometheus.Registry, name string, labels map[string]string) (sum float64) {
	t.Helper()
	families, err := metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if fits(m.GetLabel(), labels) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}

func fits(pairs []*dto.LabelPair, labels map[string]string) bool {
	n := 0
	for _, p := range pairs {
		if labels[p.GetName()] == p.GetValue() {
			n++
		}
	}
	return n == len(labels)
}

func TestProberStartsWithoutABusAndSaysWhatItDoes(t *testing.T) {
	s := bustest.Start(t, "london")
	app := startApp(t)
	s.Stop()
	environment := settings(t, s, t.TempDir())
	environment["SHOP_DATABASE_URL"] = "postgres://shop@" + deaf(t) + "/shop?sslmode=disable"
	p := start(t, environment)
	status := func(path string) int {
		response, err := http.Get("http://" + environment["LEEWARD_HEALTH_ADDR"] + path)
		if err != nil {
			return 0
		}
		_ = response.Body.Close()
		return response.StatusCode
	}
	wait(t, "a sign of life", func() bool { return status("/livez") == http.StatusOK })
	if got := status("/readyz"); got != http.StatusServiceUnavailable {
		t.Errorf("without a bus /readyz answers %d, want 503", got)
	}
	s.Restart()
	apply(t, s, topology(beat, schemas.Endpoint{Variant: "slim", HTTP: app.URL, Database: "env:SHOP_DATABASE_URL"}))
	ready(t, environment)
	for _, labels := range []map[string]string{{"kind": "http", "outcome": "ok"}, {"kind": "db_read", "outcome": "refused"}, {"kind": "db_write", "outcome": "refused"}} {
		wait(t, labels["kind"], func() bool { return value(t, p.metrics, "leeward_prober_samples_total", labels) > 0 })
	}
	if got := value(t, p.metrics, "leeward_prober_late_seconds", nil); got == 0 {
		t.Error("lateness is not counted")
	}
	s.Stop()
	wait(t, "a spool that fills", func() bool {
		return value(t, p.metrics, "leeward_prober_spool_batches", nil) > 1 && value(t, p.metrics, "leeward_prober_spool_bytes", nil) > 0
	})
	wait(t, "writes given up", func() bool { return value(t, p.metrics, "leeward_prober_verdict_writes_failed_total", nil) > 0 })
	if got := status("/readyz"); got != http.StatusServiceUnavailable {
		t.Errorf("with the bus lost /readyz answers %d, want 503", got)
	}
}

func TestProberSpeaksForItsOwnVantageOnly(t *testing.T) {
	s := bustest.Start(t, "london", "madrid")
	london := s.Connect(schemas.Prober, "london")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	own := schemas.Verdict{Vantage: "london", App: "shop", Region: "tokyo", Health: schemas.Down, Since: time.Now(), At: time.Now()}
	if _, err := bus.Put(ctx, london, schemas.VerdictBucket, own, bus.Condition{TTL: time.Minute}); err != nil {
		t.Errorf("its own verdict: %v", err)
	}
	forged := own
	forged.Vantage = "madrid"
	if _, err := bus.Put(ctx, london, schemas.VerdictBucket, forged, bus.Condition{TTL: time.Minute}); err == nil {
		t.Error("london wrote madrid's verdict")
	}
	again, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := london.PublishRaw(again, schemas.SampleSubject("madrid"), "forged", []byte("x")); err == nil {
		t.Error("london published madrid's samples")
	}
}

func TestSettingsThatAreMissingAreAllNamed(t *testing.T) {
	err := prober.Run(t.Context(), daemon.Process{Getenv: func(string) string { return "" }, Log: zerolog.Nop(), Metrics: prometheus.NewRegistry()})
	for _, name := range []string{"LEEWARD_NATS_URL", "LEEWARD_NATS_SEED", "LEEWARD_VANTAGE"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error %v does not name %s", err, name)
		}
	}
}

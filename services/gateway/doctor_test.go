package gateway_test

import (
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway/internal/doctor"
)

func TestDoctorSeesWhatIsOnTheBus(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t, "v")
	g := start(t, s, map[string]string{"LEEWARD_HOOK_DOCKERHUB_SECRET": ""})
	hub := newRegistry(t)
	g.apply(topology(hub))
	if r := g.hook(alertmanagerHook, recorded(t, "alertmanager.json")); r.status != http.StatusAccepted {
		t.Fatalf("alert = %d", r.status)
	}
	// A vantage whose clock is an hour ahead, an actuator, and a dead letter.
	write(t, s.Connect(schemas.Prober, "v"), schemas.VantageBucket, schemas.Presence{Vantage: "v", Sighted: true, Anchors: 1, AnchorsReachable: 1, At: time.Now().Add(time.Hour)})
	actuator := s.Connect(schemas.Actuator, "")
	write(t, actuator, schemas.LeaseBucket, schemas.Lease{Of: "shop", Holder: "one/1", At: time.Now()})
	if err := s.Connect(schemas.Recorder, "").Reject(t.Context(), bus.Message{Stream: schemas.Events, Sequence: 7, Subject: "x", Data: []byte("?")}, errEnd); err != nil {
		t.Fatal(err)
	}
	var findings []doctor.Finding
	has := func(level doctor.Level, what, says string) bool {
		return slices.ContainsFunc(findings, func(f doctor.Finding) bool {
			return f.Level == level && f.What == what && strings.Contains(f.Evidence, says)
		})
	}
	wants := []struct {
		level      doctor.Level
		what, says string
	}{
		{doctor.OK, "topology", "2 regions, 1 vantages, 1 apps"}, {doctor.OK, "stream EVENTS", "messages"}, {doctor.OK, "stream SAMPLES", "0 messages"}, {doctor.Warn, "stream DLQ", "1 dead letters; the newest: " + errEnd.Error()},
		{doctor.Warn, "bus", "one copy"}, {doctor.Fail, "recorder of EVENTS", "messages behind"}, {doctor.OK, "registry " + hub, "answers"}, {doctor.Fail, "registry http://127.0.0.1:1 of r0", "refused"},
		{doctor.OK, "webhook alertmanager", "last accepted"}, {doctor.Warn, "webhook github", "none accepted"}, {doctor.Warn, "vantage v", "clock within 1h0m0s"}, {doctor.Warn, "vantages", "there is one"},
		{doctor.OK, "app shop", "one/1 stands over it"}, {doctor.Fail, "app shop", "it has no route"},
	}
	g.await("the findings", func() bool {
		r := g.call(http.MethodGet, "/v1/doctor", nil, nil)
		findings = nil
		if err := json.Unmarshal([]byte(r.body), &findings); err != nil {
			t.Fatalf("%d %s", r.status, r.body)
		}
		return has(doctor.OK, "app shop", "stands over it") && has(doctor.Warn, "stream DLQ", "")
	})
	for _, w := range wants {
		if !has(w.level, w.what, w.says) {
			t.Errorf("no %s of %s that says %q in\n%+v", w.level, w.what, w.says, findings)
		}
	}
	if has(doctor.Warn, "webhook dockerhub", "") || has(doctor.OK, "webhook dockerhub", "") {
		t.Error("a webhook without a secret is said to be waited for")
	}
}

// TestDoctorDoesNotMistakeItsOwnWaitingForSilence has a registry hang for longer than a verdict lives.
func TestDoctorDoesNotMistakeItsOwnWaitingForSilence(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t, "v")
	g := start(t, s, nil)
	hung, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = hung.Close() }()
	g.apply(strings.Replace(topology("http://"+hung.Addr().String()), "failover: {", "failover: {min_vantages: 1, ", 1))
	prober, at := s.Connect(schemas.Prober, "v"), schemas.Candidate{Region: "r0", Variant: "slim"}
	write(t, s.Connect(schemas.Actuator, ""), schemas.RouteBucket, schemas.Route{App: "shop", Active: at, Epoch: schemas.Epoch{Term: 1, N: 1}, Since: time.Now()})
	g.await("the route", func() bool { return g.call(http.MethodGet, "/v1/apps/shop/route", nil, nil).status == http.StatusOK })
	ended := make(chan reply)
	go func() { ended <- g.call(http.MethodGet, "/v1/doctor", nil, nil) }()
	for {
		now := time.Now()
		write(t, prober, schemas.VantageBucket, schemas.Presence{Vantage: "v", Sighted: true, Anchors: 1, AnchorsReachable: 1, At: now})
		write(t, prober, schemas.VerdictBucket, schemas.Verdict{Vantage: "v", App: "shop", Region: "r0", Health: schemas.Up, Since: now, At: now})
		select {
		case r := <-ended:
			if !strings.Contains(r.body, "0 of 1 sighted vantages say down") {
				t.Errorf("%d %s", r.status, r.body)
			}
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

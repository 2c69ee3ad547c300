package gateway_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/schemas"
)

func TestWebhookRefusesWhomItDoesNotKnow(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	g, deaf := start(t, s, nil), start(t, s, map[string]string{
		"LEEWARD_HOOK_DISTRIBUTION_SECRET": "", "LEEWARD_HOOK_ALERTMANAGER_SECRET": "", "LEEWARD_HOOK_GRAFANA_SECRET": "",
		"LEEWARD_HOOK_NEWRELIC_SECRET": "", "LEEWARD_HOOK_DYNATRACE_SECRET": "", "LEEWARD_HOOK_DATADOG_SECRET": "",
	})
	for _, path := range []string{distributionHook, alertmanagerHook, grafanaHook, newRelicHook, dynatraceHook, datadogHook} {
		var bodies []string
		for _, authorization := range []string{"", "Bearer ", "Bearer wrong", "Bearer s3cret2", "s3cret", "Basic czNjcmV0"} {
			r := g.call(http.MethodPost, path, map[string]string{"Authorization": authorization}, recorded(t, "alertmanager.json"))
			if r.status != http.StatusUnauthorized {
				t.Errorf("%s with %q = %d", path, authorization, r.status)
			}
			r.problem(t)
			bodies = append(bodies, r.body)
		}
		for _, b := range bodies {
			if b != bodies[0] {
				t.Errorf("the answer tells how near a guess was:\n%s%s", bodies[0], b)
			}
		}
		for _, authorization := range []string{"", "Bearer ", "Bearer s3cret"} {
			if r := deaf.call(http.MethodPost, path, map[string]string{"Authorization": authorization}, recorded(t, "alertmanager.json")); r.status != http.StatusForbidden {
				t.Errorf("%s without a secret configured, with %q = %d", path, authorization, r.status)
			}
		}
	}
	if r := g.call(http.MethodGet, distributionHook, nil, nil); r.status != http.StatusMethodNotAllowed {
		t.Errorf("GET of a webhook = %d", r.status)
	}
	if got := all(newLedger(t, s), schemas.AlertReceivedTopic); len(got) > 0 {
		t.Errorf("stored %+v", got)
	}
}

func TestWebhookRefusesWhatItCanNotRead(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	g := start(t, s, nil)
	for _, c := range []struct{ path, body string }{
		{distributionHook, ""}, {distributionHook, "{"}, {distributionHook, "[]"}, {distributionHook, `{"events": 7}`}, {distributionHook, "{}{}"},
		{alertmanagerHook, "null"}, {alertmanagerHook, `{"alerts": []}`}, {alertmanagerHook, `{"alerts": [{"status": "maybe"}]}`}, {alertmanagerHook, `{"alerts": [{"startsAt": "soon"}]}`},
	} {
		r := g.hook(c.path, []byte(c.body))
		if r.status != http.StatusBadRequest {
			t.Errorf("%s with %q = %d", c.path, c.body, r.status)
		}
		r.problem(t)
	}
	if got := all(newLedger(t, s), schemas.AlertReceivedTopic); len(got) > 0 {
		t.Errorf("stored %+v", got)
	}
}

// TestWebhookStopsReadingAHugeBody sends through a connection that buffers little, so that what was sent is nearly what was read.
func TestWebhookStopsReadingAHugeBody(t *testing.T) {
	t.Parallel()
	g := start(t, bustest.Start(t), nil)
	for authorization, want := range map[string]string{"Bearer s3cret": "413", "Bearer wrong": "401"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).SetWriteBuffer(16 << 10); err != nil {
			t.Fatal(err)
		}
		answered := make(chan string)
		go func() {
			head, _ := io.ReadAll(io.LimitReader(conn, 12))
			answered <- string(head)
		}()
		const size = 100 << 20
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: gateway\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n", distributionHook, authorization, size)
		sent, piece := 0, bytes.Repeat([]byte(" "), 16<<10)
		for sent < size {
			n, err := conn.Write(piece)
			if sent += n; err != nil {
				break
			}
		}
		if got := <-answered; got != "HTTP/1.1 "+want {
			t.Errorf("answered %q, want %s", got, want)
		}
		// What the kernels on both sides hold meanwhile is sent too: some megabytes.
		if sent >= 16<<20 {
			t.Errorf("took %d bytes of a body it answered %s to", sent, want)
		}
		_ = conn.Close()
	}
}

// TestAlertThatTheBusCanNotHoldIsRefusedForGood keeps a sender from offering for ever what its encoding makes larger than a message of the bus may be.
func TestAlertThatTheBusCanNotHoldIsRefusedForGood(t *testing.T) {
	t.Parallel()
	g := start(t, bustest.Start(t), nil)
	body := alert(t, "large", "firing", map[string]string{"alertname": strings.Repeat("<", 300_000)})
	if r := g.hook(alertmanagerHook, body); r.status != http.StatusRequestEntityTooLarge {
		t.Errorf("an alert of %d bytes = %d %.200s", len(body), r.status, r.body)
	}
}

func TestWatchedPushIsStoredOnceHoweverOftenItIsDelivered(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	g := start(t, s, nil)
	hub := newRegistry(t)
	g.apply(topology(hub))
	digest := pushImage(t, hub, "1")
	for range 2 {
		if r := g.hook(distributionHook, recorded(t, "distribution-push.json")); r.status != http.StatusAccepted {
			t.Fatalf("delivery = %d %s", r.status, r.body)
		}
	}
	got := announced(newLedger(t, s))
	if len(got) != 1 {
		t.Fatalf("stored %d events, want 1: %+v", len(got), got)
	}
	// The webhook names another digest: what the registry answers counts.
	want := schemas.ImagePushed{Source: "distribution", Delivery: "32cf1666-68c2-457d-9c37-34d8c9c87e2c", Registry: strings.TrimPrefix(hub, "http://"), Repository: "demo/base", Tag: "1",
		Digest: digest, Verified: "bearer", BodySHA256: got[0].BodySHA256, At: got[0].At}
	if diff := cmp.Diff(want, got[0]); diff != "" || len(got[0].BodySHA256) != 64 || got[0].At.IsZero() {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

// announced returns the pushes that a registry announced. The comparison of tags, which follows a new topology and the loss of the bus, may find the same push by itself.
func announced(l ledger) []schemas.ImagePushed {
	l.t.Helper()
	return slices.DeleteFunc(all(l, schemas.ImagePushedTopic), func(e schemas.ImagePushed) bool { return e.Source == "reconcile" })
}

// pushOf is the recorded notification with some of it changed.
func pushOf(t *testing.T, change func(event, target, request map[string]any)) []byte {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal(recorded(t, "distribution-push.json"), &body); err != nil {
		t.Fatal(err)
	}
	event := body["events"].([]any)[0].(map[string]any)
	change(event, event["target"].(map[string]any), event["request"].(map[string]any))
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestEventsThatDoNotConcernUsAreAcceptedAndDropped(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	g := start(t, s, nil)
	hub := newRegistry(t)
	if r := g.hook(distributionHook, recorded(t, "distribution-push.json")); r.status != http.StatusAccepted {
		t.Errorf("before the first topology = %d %s", r.status, r.body)
	}
	g.apply(topology(hub))
	for what, body := range map[string][]byte{
		"no events":          []byte(`{"events": []}`),
		"a pull":             pushOf(t, func(e, _, _ map[string]any) { e["action"] = "pull" }),
		"a mount":            pushOf(t, func(e, _, _ map[string]any) { e["action"] = "mount" }),
		"no tag":             pushOf(t, func(_, target, _ map[string]any) { delete(target, "tag") }),
		"another tag":        pushOf(t, func(_, target, _ map[string]any) { target["tag"] = "2" }),
		"another repository": pushOf(t, func(_, target, _ map[string]any) { target["repository"] = "shop" }),
		"no digest":          pushOf(t, func(_, target, _ map[string]any) { target["digest"] = "md5:0" }),
		"a region's copy":    pushOf(t, func(_, target, request map[string]any) { request["host"] = "127.0.0.1:1" }),
		// The registry answers, and does not hold the tag any more: offering the event again would never help.
		"a deleted tag": recorded(t, "distribution-push.json"),
	} {
		if r := g.hook(distributionHook, body); r.status != http.StatusAccepted {
			t.Errorf("%s = %d %s", what, r.status, r.body)
		}
	}
	if got := all(newLedger(t, s), schemas.ImagePushedTopic); len(got) > 0 {
		t.Errorf("stored %+v", got)
	}
}

func TestPushIsOfferedAgainWhileTheRegistryDoesNotAnswer(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	g := start(t, s, nil)
	address := freeAddress(t)
	g.apply(topology("http://" + address))
	r := g.hook(distributionHook, recorded(t, "distribution-push.json"))
	if r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "" {
		t.Fatalf("without a registry = %d, Retry-After %q", r.status, r.header.Get("Retry-After"))
	}
	r.problem(t)
	pushImage(t, registryAt(t, address), "1")
	if r := g.hook(distributionHook, recorded(t, "distribution-push.json")); r.status != http.StatusAccepted {
		t.Errorf("with the registry back = %d %s", r.status, r.body)
	}
	if got := announced(newLedger(t, s)); len(got) != 1 {
		t.Errorf("stored %+v, want one push", got)
	}
}

func TestNothingIsLostWhileTheBusIsDown(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	g := start(t, s, nil)
	hub := newRegistry(t)
	g.apply(topology(hub))
	pushImage(t, hub, "1")
	s.Stop()
	deliveries := map[string][]byte{distributionHook: recorded(t, "distribution-push.json"), alertmanagerHook: recorded(t, "alertmanager.json")}
	answers := make(chan reply)
	for path, body := range deliveries {
		go func() { answers <- g.hook(path, body) }()
	}
	for range deliveries {
		r := <-answers
		if r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "" {
			t.Errorf("without a bus = %d, Retry-After %q", r.status, r.header.Get("Retry-After"))
		}
		r.problem(t)
	}
	s.Restart()
	for path, body := range deliveries {
		g.await(path+" accepted", func() bool { return g.hook(path, body).status == http.StatusAccepted })
	}
	l := newLedger(t, s)
	pushes, alerts := announced(l), all(l, schemas.AlertReceivedTopic)
	if len(pushes) != 1 || len(alerts) != 1 {
		t.Errorf("stored %d pushes and %d alerts, want one of each", len(pushes), len(alerts))
	}
}

// alert is the recorded call with other labels and status.
func alert(t *testing.T, fingerprint, status string, labels map[string]string) []byte {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal(recorded(t, "alertmanager.json"), &body); err != nil {
		t.Fatal(err)
	}
	a := body["alerts"].([]any)[0].(map[string]any)
	a["fingerprint"], a["status"], a["labels"] = fingerprint, status, labels
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestAlertsAreMappedToARegionOrKeptUnmapped(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	g := start(t, s, nil)
	g.apply(topology(newRegistry(t)))
	bodies := [][]byte{
		recorded(t, "alertmanager.json"),
		recorded(t, "alertmanager.json"),
		alert(t, "89d0919c20edb05c", "resolved", map[string]string{"alertname": "RegionDown", "region": "r0"}),
		alert(t, "by-labels", "firing", map[string]string{"alertname": "Slow", "app": "shop", "region": "r1"}),
		alert(t, "no-such-region", "firing", map[string]string{"alertname": "RegionDown", "app": "shop", "region": "r9"}),
		alert(t, "no-such-app", "firing", map[string]string{"alertname": "Slow", "app": "cart", "region": "r1"}),
		alert(t, "no-labels", "firing", nil),
	}
	for _, body := range bodies {
		if r := g.hook(alertmanagerHook, body); r.status != http.StatusAccepted {
			t.Errorf("alert = %d %s", r.status, r.body)
		}
	}
	var got []string
	for _, e := range all(newLedger(t, s), schemas.AlertReceivedTopic) {
		got = append(got, fmt.Sprintf("%s %s %s/%s", e.Fingerprint, e.Status, e.App, e.Region))
	}
	want := []string{"89d0919c20edb05c firing shop/r0", "89d0919c20edb05c resolved shop/r0", "by-labels firing shop/r1", "no-such-region firing /", "no-such-app firing /", "no-labels firing /"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

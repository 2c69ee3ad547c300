package gateway_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/schemas"
)

const (
	grafanaHook   = "/hooks/alerts/grafana"
	pingdomHook   = "/hooks/alerts/pingdom/s3cret"
	newRelicHook  = "/hooks/alerts/newrelic"
	dynatraceHook = "/hooks/alerts/dynatrace"
	datadogHook   = "/hooks/alerts/datadog"
)

// reports are the recorded calls of each tool: the alert fires, then it is resolved.
var reports = map[string][2]string{
	grafanaHook: {"grafana-firing.json", "grafana-resolved.json"}, pingdomHook: {"pingdom-down.json", "pingdom-up.json"},
	newRelicHook: {"newrelic-activated.json", "newrelic-closed.json"}, dynatraceHook: {"dynatrace-open.json", "dynatrace-resolved.json"},
	datadogHook: {"datadog-triggered.json", "datadog-recovered.json"},
}

// moment is when the recorded alerts fired, in seconds; they were resolved five minutes later.
const moment = 1795219844

func TestAlertsOfEveryToolAreStoredOnceWithTheirLabels(t *testing.T) {
	t.Parallel()
	for path, names := range reports {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			s := bustest.Start(t)
			g := start(t, s, nil)
			g.apply(topology(newRegistry(t)))
			for _, name := range []string{names[0], names[0], names[1], names[1]} {
				if r := g.hook(path, recorded(t, name)); r.status != http.StatusAccepted {
					t.Fatalf("%s = %d %s", name, r.status, r.body)
				}
			}
			got := all(newLedger(t, s), schemas.AlertReceivedTopic)
			want := toolAlerts()[path]
			if len(got) != len(want) {
				t.Fatalf("stored %d alerts, want %d: %+v", len(got), len(want), got)
			}
			for i := range want {
				want[i].App, want[i].Region, want[i].Verified, want[i].At = "shop", "r0", "bearer", got[i].At
				switch path {
				case pingdomHook:
					want[i].Verified = "path"
				case dynatraceHook:
					// Dynatrace does not say when a problem began.
					want[i].StartsAt = got[i].At
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
		})
	}
}

// toolAlerts are what the recorded calls say.
func toolAlerts() map[string][]schemas.AlertReceived {
	began, ended := time.Unix(moment, 0).UTC(), time.Unix(moment+300, 0).UTC()
	grafana := schemas.AlertReceived{
		Source: "grafana", Fingerprint: "bc97ff14869b13e3", Status: "firing", Name: "RegionDown", StartsAt: began.Add(195645937),
		Labels: map[string]string{"alertname": "RegionDown", "grafana_folder": "Shop", "region": "r0"}, Annotations: map[string]string{"summary": "nobody answers in r0"},
	}
	pingdom := schemas.AlertReceived{
		Source: "pingdom", Fingerprint: "8234915", Status: "firing", Name: "shop in frankfurt", StartsAt: began,
		Labels: map[string]string{
			"check_id": "8234915", "check_name": "shop in frankfurt", "check_type": "HTTP", "hostname": "frankfurt.shop.example", "importance_level": "HIGH",
			"tags": "production,shop-r0", "production": "true", "shop-r0": "true", "current_state": "DOWN", "previous_state": "UP", "description": "Timeout", "long_description": "Timeout (> 30s)",
			"state_changed_timestamp": "1795219844", "state_changed_utc_time": "2026-11-21T00:10:44", "version": "1",
			"first_probe.ip": "192.0.2.17", "first_probe.ipv6": "2001:db8::17", "first_probe.location": "Stockholm, Sweden",
			"second_probe.ip": "192.0.2.18", "second_probe.ipv6": "2001:db8::18", "second_probe.location": "Austin, US", "second_probe.version": "1",
		},
	}
	newRelic := schemas.AlertReceived{
		Source: "newrelic", Fingerprint: "0ea2df1c-adab-45d2-aae0-042b609d2322", Firing: "0ea2df1c-adab-45d2-aae0-042b609d2322", Status: "firing",
		Name: "shop in frankfurt query result is < 1.0 on 'Health of regions'", StartsAt: began.Add(195 * time.Millisecond),
		Labels: map[string]string{
			"id": "0ea2df1c-adab-45d2-aae0-042b609d2322", "issueUrl": "https://radar-api.service.newrelic.com/accounts/1/issues/0ea2df1c-adab-45d2-aae0-042b609d2322?notifier=WEBHOOK",
			"title": "shop in frankfurt query result is < 1.0 on 'Health of regions'", "priority": "CRITICAL", "impactedEntities": "frankfurt-a,frankfurt-b", "totalIncidents": "1",
			"state": "ACTIVATED", "trigger": "STATE_CHANGE", "isCorrelated": "false", "createdAt": "1795219844195", "updatedAt": "1795219844197", "sources": "newrelic",
			"alertPolicyNames": "Regions", "alertConditionNames": "Health of regions", "workflowName": "to Leeward", "app": "shop", "region": "r0",
		},
	}
	dynatrace := schemas.AlertReceived{
		Source: "dynatrace", Fingerprint: "-5484986987397963393_1795219800000V2", Firing: "-5484986987397963393_1795219800000V2", Status: "firing", Name: "Failure rate increase",
		Labels: map[string]string{
			"PID": "-5484986987397963393_1795219800000V2", "ProblemID": "P-26111234", "State": "OPEN", "ProblemTitle": "Failure rate increase", "ProblemSeverity": "ERROR", "ProblemImpact": "SERVICE",
			"ImpactedEntities.type": "HOST,SERVICE", "ImpactedEntities.name": "frankfurt-a,shop", "ImpactedEntities.entity": "HOST-0123456789ABCDEF,SERVICE-9A1B2C3D4E5F6071",
			"ProblemURL": "https://abc12345.live.dynatrace.com/#problems/problemdetails;pid=-5484986987397963393_1795219800000V2",
			"Tags":       "production, app:shop, [AWS]Name:frankfurt-a, region:r0", "production": "true", "app": "shop", "[AWS]Name": "frankfurt-a", "region": "r0",
		},
		Annotations: map[string]string{"ProblemDetailsText": "OPEN Problem P-26111234 in environment abc12345\nProblem detected at: 00:10 (UTC) 21.11.2026\n\n1 impacted service\n\nWeb request service\nshop\n\n" +
			"Failure rate increase\nThe current failure rate (31.3 %) exceeds the auto-detected baseline (0 %) by 31.3 %\n\n" +
			"Root cause\n\nConnectivity problem\nHost or monitoring unavailable due to connectivity issues or server shutdown on host frankfurt-a"},
	}
	datadog := schemas.AlertReceived{
		Source: "datadog", Fingerprint: "7716548234011234567", Firing: "7716548234011234567:Triggered", Status: "firing", Name: "[P1] [Triggered on {region:r0}] shop is unreachable", StartsAt: began,
		Labels: map[string]string{
			"alert_cycle_key": "7716548234011234567", "alert_transition": "Triggered", "alert_id": "148275309", "alert_title": "[P1] [Triggered on {region:r0}] shop is unreachable",
			"alert_scope": "region:r0", "alert_priority": "P1", "alert_type": "error", "date": "1795219844000", "link": "https://app.datadoghq.com/event/event?id=7716548234011299999",
			"tags": "monitor, app:shop, region:r0, region:r1, env:production", "org.id": "11023", "org.name": "Acme",
			// The scope says which group of the monitor fires, and outranks the tags.
			"region": "r0", "app": "shop", "monitor": "true", "env": "production",
		},
	}
	return map[string][]schemas.AlertReceived{
		grafanaHook: {grafana, then(grafana, func(e *schemas.AlertReceived) { e.EndsAt = ended.Add(195645937) }, nil)},
		pingdomHook: {pingdom, then(pingdom, func(e *schemas.AlertReceived) { e.StartsAt, e.EndsAt = ended, ended }, map[string]string{
			"current_state": "UP", "previous_state": "DOWN", "description": "OK", "long_description": "OK", "state_changed_timestamp": "1795220144", "state_changed_utc_time": "2026-11-21T00:15:44",
			"second_probe.ip": "", "second_probe.ipv6": "", "second_probe.location": "", "second_probe.version": "",
		})},
		newRelicHook: {newRelic, then(newRelic, func(*schemas.AlertReceived) {}, map[string]string{"state": "CLOSED", "trigger": "INCIDENT_CLOSED", "updatedAt": "1795220144021"})},
		dynatraceHook: {dynatrace, then(dynatrace, func(e *schemas.AlertReceived) { e.Annotations = nil }, map[string]string{
			"State": "RESOLVED", "ImpactedEntities.type": "SERVICE", "ImpactedEntities.name": "shop", "ImpactedEntities.entity": "SERVICE-9A1B2C3D4E5F6071",
		})},
		datadogHook: {datadog, then(datadog, func(e *schemas.AlertReceived) {
			e.Firing, e.Name, e.StartsAt, e.EndsAt = "7716548234011234567:Recovered", "[P1] [Recovered on {region:r0}] shop is unreachable", ended, ended
		}, map[string]string{
			"alert_transition": "Recovered", "alert_title": "[P1] [Recovered on {region:r0}] shop is unreachable", "alert_type": "success", "date": "1795220144000",
			"link": "https://app.datadoghq.com/event/event?id=7716548234011300000",
		})},
	}
}

// then is an alert when it is resolved, with the labels that differ by then; an empty one is gone.
func then(e schemas.AlertReceived, change func(*schemas.AlertReceived), labels map[string]string) schemas.AlertReceived {
	before := e.Labels
	e.Status, e.Labels = "resolved", map[string]string{}
	for _, from := range []map[string]string{before, labels} {
		for name, value := range from {
			if e.Labels[name] = value; value == "" {
				delete(e.Labels, name)
			}
		}
	}
	change(&e)
	return e
}

// edited is a recorded call with some of its keys written otherwise; an empty text takes a key out.
func edited(t *testing.T, name string, keys map[string]string) []byte {
	t.Helper()
	var body map[string]any
	d := json.NewDecoder(bytes.NewReader(recorded(t, name)))
	d.UseNumber()
	if err := d.Decode(&body); err != nil {
		t.Fatal(err)
	}
	for key, text := range keys {
		if body[key] = json.RawMessage(text); text == "" {
			delete(body, key)
		}
	}
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestARepeatIsNoNewsAndANewFiringIs(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		path string
		keys map[string]string
		news bool
	}{
		"Grafana repeats":                       {grafanaHook, map[string]string{"state": `"pending"`}, false},
		"Pingdom's tags changed":                {pingdomHook, map[string]string{"tags": `["shop-r0"]`}, false},
		"Pingdom's check is down again":         {pingdomHook, map[string]string{"state_changed_timestamp": "1795221000"}, true},
		"another check of Pingdom":              {pingdomHook, map[string]string{"check_id": "8234916"}, true},
		"New Relic's issue has a new priority":  {newRelicHook, map[string]string{"trigger": `"PRIORITY_CHANGED"`, "priority": `"HIGH"`, "updatedAt": "1795219999000"}, false},
		"New Relic's issue was created only":    {newRelicHook, map[string]string{"state": `"created"`}, false},
		"another issue of New Relic":            {newRelicHook, map[string]string{"id": `"19f9e3d0-0c5b-4e6b-a1f5-000000000000"`}, true},
		"New Relic's issue came to a region":    {newRelicHook, map[string]string{"region": `"r1"`}, true},
		"Dynatrace's problem was merged":        {dynatraceHook, map[string]string{"State": `"MERGED"`}, false},
		"Dynatrace's problem came to a region":  {dynatraceHook, map[string]string{"State": `"MERGED"`, "Tags": `"app:shop, region:r1"`}, true},
		"another problem of Dynatrace":          {dynatraceHook, map[string]string{"PID": `"7_1795219800000V2"`}, true},
		"Datadog repeats":                       {datadogHook, map[string]string{"alert_transition": `"Re-Triggered"`, "date": "1795221000000"}, false},
		"Datadog's monitor warns":               {datadogHook, map[string]string{"alert_transition": `"Warn"`}, true},
		"Datadog's monitor has no data":         {datadogHook, map[string]string{"alert_transition": `"Re-No Data"`}, true},
		"another group of Datadog's monitor":    {datadogHook, map[string]string{"alert_scope": `"region:r1"`}, true},
		"a new cycle of Datadog's monitor":      {datadogHook, map[string]string{"alert_cycle_key": "7716548234011234568"}, true},
		"the cycle of Datadog's is a number":    {datadogHook, map[string]string{"alert_cycle_key": "7716548234011234567"}, false},
		"Datadog's payload leaves out the date": {datadogHook, map[string]string{"date": ""}, false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := bustest.Start(t)
			g := start(t, s, nil)
			g.apply(topology(newRegistry(t)))
			for _, body := range [][]byte{recorded(t, reports[c.path][0]), edited(t, reports[c.path][0], c.keys)} {
				if r := g.hook(c.path, body); r.status != http.StatusAccepted {
					t.Fatalf("%d %s", r.status, r.body)
				}
			}
			got := all(newLedger(t, s), schemas.AlertReceivedTopic)
			if news := len(got) == 2; news != c.news || len(got) == 0 {
				t.Errorf("stored %d alerts: %+v", len(got), got)
			}
			for _, e := range got {
				if !e.Matched() || e.Status != "firing" {
					t.Errorf("stored %+v, which does not fire in a region", e)
				}
			}
		})
	}
}

func TestAnAlertOfSeveralRegionsIsShownAndNotGuessed(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	g := start(t, s, nil)
	g.apply(topology(newRegistry(t)))
	if r := g.hook(dynatraceHook, edited(t, "dynatrace-open.json", map[string]string{"Tags": `"app:shop, region:r1, region:r0"`})); r.status != http.StatusAccepted {
		t.Fatalf("%d %s", r.status, r.body)
	}
	got := all(newLedger(t, s), schemas.AlertReceivedTopic)
	if len(got) != 1 || got[0].Matched() || got[0].Labels["region"] != "r0,r1" {
		t.Errorf("stored %+v", got)
	}
}

func TestWhatATemplateLacksIsNamedWithTheFix(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	g := start(t, s, nil)
	g.apply(topology(newRegistry(t)))
	long := `"` + strings.Repeat("x", 300) + `"`
	for _, c := range []struct {
		path string
		keys map[string]string
		says []string
	}{
		{pingdomHook, map[string]string{"check_id": "", "current_state": "null"}, []string{`"check_id" is missing or empty`, `"current_state" is missing`, "Pingdom"}},
		{pingdomHook, map[string]string{"current_state": `"PAUSED"`}, []string{`"current_state" is "PAUSED"`, "fires with DOWN, FAILING", "resolved with UP, SUCCESS"}},
		{pingdomHook, map[string]string{"state_changed_timestamp": "1795219844000"}, []string{`"state_changed_timestamp" is "1795219844000"`, "whole seconds since 1970"}},
		{newRelicHook, map[string]string{"id": "", "state": ""}, []string{`write "id": {{ json issueId }}`, `write "state": {{ json state }}`}},
		{newRelicHook, map[string]string{"id": `"{{ issueId }}"`}, []string{`"id" is "{{ issueId }}", which was not filled in`}},
		{newRelicHook, map[string]string{"id": long}, []string{`"id" has 300 bytes`}},
		{newRelicHook, map[string]string{"state": `"acknowledged"`}, []string{`"state" is "acknowledged"`, "ACTIVATED", "CLOSED"}},
		{newRelicHook, map[string]string{"createdAt": `"2026-11-21"`}, []string{`"createdAt" is "2026-11-21"`, "milliseconds"}},
		{newRelicHook, map[string]string{"createdAt": "1795219844"}, []string{`"createdAt" is "1795219844"`, "milliseconds"}},
		{dynatraceHook, map[string]string{"PID": ""}, []string{`"PID" is missing or empty`, `write "PID": "{PID}"`}},
		{dynatraceHook, map[string]string{"PID": `"{ProblemPID}"`}, []string{`"PID" is "{ProblemPID}", which was not filled in`}},
		{dynatraceHook, map[string]string{"State": `"CLOSED"`}, []string{`"State" is "CLOSED"`, "OPEN, MERGED", "RESOLVED"}},
		{datadogHook, map[string]string{"alert_transition": `""`}, []string{`"alert_transition": "$ALERT_TRANSITION"`}},
		{datadogHook, map[string]string{"alert_cycle_key": `"$ALERT_CICLE_KEY"`}, []string{`"alert_cycle_key" is "$ALERT_CICLE_KEY", which was not filled in`}},
		{datadogHook, map[string]string{"alert_transition": `"Muted"`}, []string{`"alert_transition" is "Muted"`, "Triggered, Warn, No Data, Renotify", "Recovered"}},
		{datadogHook, map[string]string{"date": `"soon"`}, []string{`"date" is "soon"`, "milliseconds"}},
		{grafanaHook, map[string]string{"alerts": ""}, []string{`"alerts" is missing or empty`}},
		{grafanaHook, map[string]string{"alerts": `[{"status": "pending", "fingerprint": "f", "startsAt": "2026-11-21T01:10:44Z"}]`}, []string{`alerts[0]`, `status "pending"`}},
		{grafanaHook, map[string]string{"alerts": `[{"status": "firing", "fingerprint": "f"}]`}, []string{`alerts[0]`, `starts_at is missing`}},
	} {
		r := g.hook(c.path, edited(t, reports[c.path][0], c.keys))
		says := r.problem(t).Detail
		if r.status != http.StatusBadRequest {
			t.Errorf("%s with %v = %d", c.path, c.keys, r.status)
		}
		for _, part := range c.says {
			if !strings.Contains(says, part) {
				t.Errorf("%s with %v says %q, not %q", c.path, c.keys, says, part)
			}
		}
	}
	if got := all(newLedger(t, s), schemas.AlertReceivedTopic); len(got) > 0 {
		t.Errorf("stored %+v", got)
	}
}

func TestAReportThatIsNoJSONObjectIsRefused(t *testing.T) {
	t.Parallel()
	g := start(t, bustest.Start(t), nil)
	for _, path := range []string{pingdomHook, newRelicHook, dynatraceHook, datadogHook} {
		whole := recorded(t, reports[path][0])
		for _, body := range [][]byte{nil, []byte("null"), []byte("[]"), []byte(`"x"`), whole[:len(whole)/2], slices.Concat(whole, whole), []byte("payload=%7B%7D")} {
			if r := g.hook(path, body); r.status != http.StatusBadRequest {
				t.Errorf("%s with %.20q = %d %s", path, body, r.status, r.body)
			}
		}
		if r := g.hook(path, bytes.Repeat([]byte(" "), 1<<20+1)); r.status != http.StatusRequestEntityTooLarge {
			t.Errorf("%s with a huge body = %d", path, r.status)
		}
	}
}

// TestTemplatesOfTheReferenceAreAccepted fills in the templates that the reference shows as their tools would.
func TestTemplatesOfTheReferenceAreAccepted(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/reference/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	s := bustest.Start(t)
	g := start(t, s, nil)
	g.apply(topology(newRegistry(t)))
	for path, filled := range map[string]struct {
		fence string
		in    *strings.Replacer
	}{
		newRelicHook: {"handlebars", strings.NewReplacer(
			"{{#if accumulations.tag.region}}", "", "{{else}}null{{/if}}", "", "{{ json accumulations.tag.region }}", `["r0"]`, "{{ json state }}", `"ACTIVATED"`, "{{ createdAt }}", "1795219844195", "{{ json ", `["`, " }}", `"]`,
		)},
		dynatraceHook: {"text", strings.NewReplacer(`"{State}"`, `"OPEN"`, `"{Tags}"`, `"app:shop, region:r0"`, "{ImpactedEntities}", `[{"type": "HOST", "name": "a", "entity": "HOST-1"}]`, `"{`, `"`, `}"`, `"`)},
		datadogHook:   {"json", strings.NewReplacer("$ALERT_TRANSITION", "Triggered", "$DATE", "1795219844000", "$ALERT_SCOPE", "region:r0", "$TAGS", "app:shop, region:r0", "$", "")},
	} {
		_, block, _ := strings.Cut(string(page), "```"+filled.fence+"\n")
		block, _, _ = strings.Cut(block, "```")
		if r := g.hook(path, []byte(filled.in.Replace(block))); r.status != http.StatusAccepted {
			t.Errorf("%s = %d %s with\n%s", path, r.status, r.body, filled.in.Replace(block))
		}
	}
	got := all(newLedger(t, s), schemas.AlertReceivedTopic)
	if len(got) != 3 || slices.ContainsFunc(got, func(e schemas.AlertReceived) bool { return e.App != "shop" || e.Region != "r0" || e.Name == "" }) {
		t.Errorf("stored %+v", got)
	}
}

func TestALongNameIsNotWrittenBeforeEachOfManyKeys(t *testing.T) {
	t.Parallel()
	g := start(t, bustest.Start(t), nil)
	inner := map[string]int{}
	for n := range 2000 {
		inner[fmt.Sprint(n)] = n
	}
	many, err := json.Marshal(inner)
	if err != nil {
		t.Fatal(err)
	}
	if r := g.hook(datadogHook, edited(t, "datadog-triggered.json", map[string]string{strings.Repeat("x", 2000): string(many)})); r.status != http.StatusAccepted {
		t.Errorf("%d %s", r.status, r.body)
	}
}

package demo

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// Who notices that a region is lost.
const (
	viaWebhook    = "webhook"
	viaVerdicts   = "verdicts"
	viaPrometheus = "prometheus"
)

// failover cuts the active region off while the client sends requests, and measures how they reach another one.
func (d *demo) failover(ctx context.Context, via string) error {
	trigger := schemas.TriggerAlert
	if via == viaVerdicts {
		trigger = schemas.TriggerVerdicts
	}
	from, err := d.settled(ctx, trigger)
	if err != nil {
		return err
	}
	if via == viaPrometheus {
		if err := d.resolved(ctx); err != nil {
			return err
		}
	}
	loading, stop := context.WithCancel(ctx)
	loaded := make(chan struct{})
	go func() { defer close(loaded); d.load.run(loading) }()
	defer func() { stop(); <-loaded }()
	if err := until(ctx, 10*time.Second, "answers from "+from.Region, func(context.Context) error { return d.answered(from.Region, time.Now().Add(-time.Second)) }); err != nil {
		return err
	}
	killed := time.Now()
	if _, err := d.world(ctx, "cut", from.Region); err != nil {
		return err
	}
	defer func() { _, _ = d.world(context.WithoutCancel(ctx), "heal", from.Region) }()
	if via == viaWebhook {
		if err := d.alert(ctx, from.Region); err != nil {
			return err
		}
	}
	plan, err := d.moved(ctx, trigger, killed)
	if err != nil {
		return err
	}
	if err := until(ctx, 10*time.Second, "an answer from "+plan.To.Region, func(context.Context) error { return d.answered(plan.To.Region, killed) }); err != nil {
		return err
	}
	time.Sleep(2 * time.Second) // the client goes on, so that late failures are counted
	f, err := d.measure(ctx, plan, via, killed)
	if err != nil {
		return err
	}
	d.report.Failovers = append(d.report.Failovers, f)
	d.say("  %s to %s by %s: detected %.0f ms, quorum %.0f ms, first request %.0f ms after the kill; overhead %.1f ms", f.From, f.To, f.Via, f.DetectMS, f.QuorumMS, f.KillToFirstRequestMS, f.OverheadMS)
	if via == viaPrometheus {
		d.say("  by part: detect %.0f + pending %.0f + for %.0f (rule: %.0f) + group_wait %.0f (route: %.0f) + confirm %.0f + shift %.0f ms",
			f.DetectMS, f.PendingMS, f.ForMS, f.Configured.ForMS, f.GroupWaitMS, f.Configured.GroupWaitMS, f.ConfirmMS, f.ShiftMS)
	}
	return nil
}

// settled waits until nothing stands in the way of a fair failover: the topology for this trigger is everywhere, another region may be moved to, and no cool-down runs.
func (d *demo) settled(ctx context.Context, trigger string) (schemas.Candidate, error) {
	if err := d.apply(ctx, trigger == schemas.TriggerVerdicts); err != nil {
		return schemas.Candidate{}, err
	}
	var active schemas.Candidate
	err := until(ctx, 2*time.Minute, "calm", func(ctx context.Context) error {
		route, err := d.route(ctx)
		if err != nil {
			return err
		}
		active = route.Active
		if err := d.calm(ctx, d.hash); err != nil {
			return err
		}
		return d.cooledDown(ctx)
	})
	return active, err
}

// calm says whether every vantage calls every region up under this topology, and the ranking of this topology has somewhere to go.
func (d *demo) calm(ctx context.Context, hash string) error {
	var apps []struct {
		Verdicts []schemas.Verdict `json:"verdicts"`
	}
	if err := d.client.get(ctx, "/v1/apps", &apps); err != nil {
		return err
	}
	up := 0
	for _, v := range apps[0].Verdicts {
		if v.Health == schemas.Up && v.Topology == hash {
			up++
		}
	}
	if want := len(d.topology.Vantages) * len(d.app.Regions()); up < want {
		return fmt.Errorf("%d of %d verdicts are up", up, want)
	}
	route, err := d.route(ctx)
	if err != nil {
		return err
	}
	var r schemas.Ranking
	if err := d.client.get(ctx, "/v1/apps/"+appName+"/ranking?active="+route.Active.Region, &r); err != nil {
		return err
	}
	if r.Topology != hash {
		return fmt.Errorf("the ranking is of topology %s", r.Topology)
	}
	for _, k := range r.Orders[0].Candidates {
		if k.Eligible && k.Region != route.Active.Region {
			return nil
		}
	}
	return fmt.Errorf("nothing outside %s is eligible", route.Active.Region)
}

// cooledDown says whether the last automatic failover is as long ago as the cool-down.
func (d *demo) cooledDown(ctx context.Context) error {
	plans, err := d.plans(ctx)
	if err != nil {
		return err
	}
	for _, p := range plans {
		if p.State == schemas.PlanFinished && p.Trigger != schemas.TriggerRequest {
			if left := d.app.Failover.CoolDown.D() + time.Second - time.Since(p.Times.EndedAt); left > 0 {
				return fmt.Errorf("cooling down for another %s", left.Round(time.Second))
			}
		}
	}
	return nil
}

func (d *demo) plans(ctx context.Context) ([]schemas.Plan, error) {
	var plans []schemas.Plan
	return plans, d.client.get(ctx, "/v1/failovers?app="+appName, &plans)
}

// answered says whether the client has had a good answer from a region since a moment.
func (d *demo) answered(region string, since time.Time) error {
	if _, ok := d.load.first(region, since); !ok {
		return fmt.Errorf("no good answer from %s yet", region)
	}
	return nil
}

// alert posts what Alertmanager would.
func (d *demo) alert(ctx context.Context, region string) error {
	secret, err := os.ReadFile(filepath.Join(d.Leeward, "hook-alertmanager-secret"))
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	labels := map[string]string{"alertname": "RegionDown", "app": appName, "region": region, "severity": "page"}
	body, err := json.Marshal(map[string]any{
		"version": "4", "status": "firing", "receiver": "leeward", "groupKey": "{}", "groupLabels": labels, "commonLabels": labels, "truncatedAlerts": 0,
		"alerts": []map[string]any{{
			"status": "firing", "labels": labels, "annotations": map[string]string{"summary": region + " does not answer"},
			"startsAt": now, "endsAt": time.Time{}, "fingerprint": rand.Text()[:16],
		}},
	})
	if err != nil {
		return err
	}
	return d.client.do(ctx, http.MethodPost, "/hooks/alerts/alertmanager", map[string]string{"Authorization": "Bearer " + strings.TrimSpace(string(secret)), "Content-Type": "application/json"}, body, nil)
}

// moved waits for a finished plan of this trigger that was made since a moment.
func (d *demo) moved(ctx context.Context, trigger string, since time.Time) (schemas.Plan, error) {
	var found schemas.Plan
	err := until(ctx, 45*time.Second, "a failover by "+trigger, func(ctx context.Context) error {
		plans, err := d.plans(ctx)
		if err != nil {
			return err
		}
		for _, p := range plans {
			if p.At.Before(since) || p.Trigger != trigger {
				continue
			}
			if p.State == schemas.PlanFinished {
				found = p
				return nil
			}
			return fmt.Errorf("plan %s is %s: %s", p.ID, p.State, p.Reason)
		}
		return fmt.Errorf("there is no plan yet")
	})
	return found, err
}

func (d *demo) measure(ctx context.Context, p schemas.Plan, via string, killed time.Time) (Failover, error) {
	first, _ := d.load.first(p.To.Region, killed)
	rtt, err := d.rtt(ctx, p.To.Region)
	if err != nil {
		return Failover{}, err
	}
	f := Failover{
		Trigger: p.Trigger, Via: via, From: p.From.Region, To: p.To.Region, RTTMS: rtt,
		DetectMS: ms(p.Times.FirstDownAt.Sub(killed)), QuorumMS: ms(p.Times.QuorumAt.Sub(killed)),
		ShiftMS: ms(first.answered.Sub(p.Times.QuorumAt)), KillToFirstRequestMS: ms(first.answered.Sub(killed)),
	}
	f.OverheadMS = ms(first.answered.Sub(p.Times.QuorumAt)) - 2*rtt
	if !p.Times.AlertAt.IsZero() {
		later := p.Times.QuorumAt
		if p.Times.AlertAt.After(later) {
			later = p.Times.AlertAt
		}
		f.AlertToFirstRequestMS = ms(first.answered.Sub(later))
	}
	f.Requests, f.Failed = d.load.count(killed, first.answered.Add(2*time.Second))
	if f.To == f.From || f.ShiftMS <= 0 || f.DetectMS <= 0 {
		return f, fmt.Errorf("the measured failover makes no sense: %+v", f)
	}
	if via == viaPrometheus {
		return f, f.byRule(ctx, p, killed, first.answered)
	}
	return f, nil
}

// home moves traffic back to where the app starts, if an earlier run or a person left it elsewhere.
func (d *demo) home(ctx context.Context) error {
	route, err := d.route(ctx)
	if err != nil || route.Active.Region == d.app.Start.Region {
		return err
	}
	return d.failback(ctx)
}

// failback asks, as a person, to move back to where the app starts, once that region is healthy again.
func (d *demo) failback(ctx context.Context) error {
	home := d.app.Start.Region
	if err := until(ctx, 90*time.Second, home+" healthy and eligible again", func(ctx context.Context) error {
		if err := d.calm(ctx, d.hash); err != nil {
			return err
		}
		return d.eligible(ctx, home)
	}); err != nil {
		return err
	}
	asked := time.Now()
	body, err := json.Marshal(map[string]string{"app": appName, "region": home, "reason": "the region is back", "actor": "demo"})
	if err != nil {
		return err
	}
	if err := d.client.do(ctx, http.MethodPost, "/v1/failovers", map[string]string{"Content-Type": "application/json"}, body, nil); err != nil {
		return err
	}
	d.chaos.killDuringPlan(ctx, "failover-actuator", asked)
	_, err = d.moved(ctx, schemas.TriggerRequest, asked)
	return err
}

// eligible says whether a region passes every gate from where traffic is now.
func (d *demo) eligible(ctx context.Context, region string) error {
	route, err := d.route(ctx)
	if err != nil {
		return err
	}
	var r schemas.Ranking
	if err := d.client.get(ctx, "/v1/apps/"+appName+"/ranking?active="+route.Active.Region, &r); err != nil {
		return err
	}
	why := "it is not ranked"
	for _, k := range r.Orders[0].Candidates {
		if k.Region != region {
			continue
		}
		if k.Eligible {
			return nil
		}
		for _, g := range k.Gates {
			if g.Result != schemas.Pass {
				why = g.Name + ": " + g.Evidence
			}
		}
	}
	return fmt.Errorf("%s is not eligible: %s", region, why)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()/100) / 10 }

func tenths(ms float64) float64 { return math.Round(ms*10) / 10 }

package gateway_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway"
)

// shows runs a command of the CLI against the gateway, and returns what it printed.
func (g instance) shows(args ...string) (string, error) {
	g.t.Helper()
	g.t.Setenv("LEEWARD_TEST_API_TOKEN", "t0ken")
	root := &cobra.Command{Use: "leeward", SilenceUsage: true, SilenceErrors: true}
	root.AddCommand(gateway.Commands()...)
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs(append(args, "--api", g.url, "--token", "env:LEEWARD_TEST_API_TOKEN"))
	err := root.ExecuteContext(g.t.Context())
	return out.String(), err
}

func TestBuildsAreShownWithTheirStagesAndWhereTheirImagesAre(t *testing.T) {
	s := bustest.Start(t)
	g := start(t, s, nil)
	g.apply(topology("http://127.0.0.1:1"))
	if out, err := g.shows("builds"); err != nil || !strings.Contains(out, "nothing has been built yet") {
		t.Errorf("before the first build: %v: %s", err, out)
	}
	now := time.Now().UTC()
	digest := func(c string) string { return "sha256:" + strings.Repeat(c, 64) }
	good := schemas.BuildFinished{Build: "b1", App: "shop", Variant: "slim", Trigger: digest("b"), Outcome: "succeeded", Digest: digest("1"), Reference: "r@" + digest("1"),
		SizeBytes: 12_300_000, Stages: []schemas.BuildStage{{Name: "base", Seconds: 1, Steps: 2, CachedSteps: 1}, {Name: "slim", Seconds: 4.25, Steps: 3}}, Seconds: 12.5, StartedAt: now, At: now}
	bad := schemas.BuildFinished{Build: "b2", App: "shop", Variant: "single", Trigger: "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c", Commit: "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c",
		Outcome: "failed", Error: "app.txt: not found\x1b[2J", StartedAt: now, At: now.Add(time.Second)}
	builder := s.Connect(schemas.Builder, "")
	write(t, builder, schemas.ImageBucket, schemas.ImageState{App: "shop", Variant: "slim", Region: "r0", Digest: digest("1"), Reference: "x", Parity: "verified", Since: now})
	write(t, builder, schemas.ImageBucket, schemas.ImageState{App: "shop", Variant: "slim", Region: "r1", Digest: digest("0"), Reference: "x", Parity: "failed", Error: "no route to host", Since: now})
	write(t, builder, schemas.BuildBucket, schemas.BuildState{App: "shop", Variant: "slim", Last: good, Delivery: "1", Announced: true, Wanted: good})
	write(t, builder, schemas.BuildBucket, schemas.BuildState{App: "shop", Variant: "single", Last: bad, Delivery: "2", Announced: true})

	var out string
	g.await("both builds", func() bool {
		out, _ = g.shows("builds", "shop")
		return strings.Contains(out, "single") && strings.Contains(out, "slim")
	})
	for _, want := range []string{"succeeded", "12.5", "12.3", "slim 4.2 s", "base 1.0 s (1 of 2 from cache)", "r0 verified", "r1 failed, an earlier image: no route to host", "app.txt: not found", "0d1a26e67d8f ", "bbbbbbbbbbbb "} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if strings.Contains(out, "\x1b") || strings.Index(out, "single") > strings.Index(out, "slim") {
		t.Errorf("a terminal's command got through, or the newest is not first:\n%q", out)
	}
	text, err := g.shows("builds", "-o", "json")
	var builds []struct {
		Variant string
		Regions []schemas.ImageState
	}
	if err != nil || json.Unmarshal([]byte(text), &builds) != nil || len(builds) != 2 || len(builds[1].Regions) != 2 || builds[0].Regions == nil {
		t.Errorf("as JSON: %v: %s", err, text)
	}
	if out, err := g.shows("builds", "cart"); err == nil || !strings.Contains(err.Error(), "no app named cart") {
		t.Errorf("an app there is not: %v %s", err, out)
	}
}

// TestJSONOfARankingHoldsItsInputs matters to --explain, which reads it.
func TestJSONOfARankingHoldsItsInputs(t *testing.T) {
	s := bustest.Start(t)
	g := start(t, s, nil)
	g.apply(topology("http://127.0.0.1:1"))
	write(t, s.Connect(schemas.Ranker, ""), schemas.RankingBucket,
		schemas.Ranking{App: "shop", At: time.Now(), Topology: "t1", Inputs: json.RawMessage(`{"seed":"7"}`), Orders: []schemas.Order{{Active: "r0"}}})
	var r schemas.Ranking
	g.await("the ranking", func() bool {
		out, err := g.shows("rank", "shop", "--active", "r0", "--output", "json")
		return err == nil && json.Unmarshal([]byte(out), &r) == nil
	})
	var inputs struct{ Seed string }
	if err := json.Unmarshal(r.Inputs, &inputs); err != nil || inputs.Seed != "7" {
		t.Errorf("inputs %s: %v", r.Inputs, err)
	}
}

// TestWarningsOfARankingAreShown looks at a ranking that left something out, at the command line and in the console.
func TestWarningsOfARankingAreShown(t *testing.T) {
	s := bustest.Start(t)
	g := start(t, s, nil)
	g.apply(topology("http://127.0.0.1:1"))
	ranking := schemas.Ranking{App: "shop", At: time.Now(), Topology: "t1", Quantile: 0.95, WindowSeconds: 60, Warnings: []string{"r1/slim: 2.0 ms by http from v\x1b[2J, at least 5.8 ms possible"},
		Orders: []schemas.Order{{Active: "r0", Candidates: []schemas.RankedCandidate{{Candidate: schemas.Candidate{Region: "r1", Variant: "slim"}, Rank: 1, Running: true}}}}}
	write(t, s.Connect(schemas.Ranker, ""), schemas.RankingBucket, ranking)
	var out string
	g.await("the ranking", func() bool {
		out, _ = g.shows("rank", "shop", "--active", "r0")
		return out != ""
	})
	if !strings.Contains(out, "\nwarning: r1/slim: 2.0 ms by http from v") || strings.Contains(out, "\x1b") {
		t.Errorf("the command line shows %q", out)
	}
	page := string(g.call(http.MethodGet, "/ui/ranking?app=shop&active=r0", nil, nil).body)
	if !strings.Contains(page, "r1/slim: 2.0 ms by http from v") || strings.Contains(page, "\x1b") {
		t.Errorf("the console shows\n%s", page)
	}
}

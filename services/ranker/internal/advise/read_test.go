package advise_test

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/pkg/chembedtest"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/advise"
	"github.com/leeward-failover/leeward/services/ranker/internal/command"
)

func database(t *testing.T) (db *clickhouse.DB, dsn string) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs the ClickHouse engine")
	}
	dsn = chembedtest.Start(t)
	return chembedtest.Migrated(t, dsn), dsn
}

// page runs the commands of docs/how-to/advise.md.
func page(t *testing.T, dsn string) {
	text, err := os.ReadFile("../../../../docs/how-to/advise.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(text), "```sh\n")
	block, _, _ = strings.Cut(block, "```")
	for line := range strings.Lines(block) {
		if out := leeward(t, dsn, strings.TrimPrefix(line, "bin/leeward ")); !strings.Contains(out, "JP; allowed: DE, GB") {
			t.Errorf("%s: %s", line, out)
		}
	}
}

// leeward runs one of the ranker's commands and returns what it prints.
func leeward(t *testing.T, dsn, line string) string {
	t.Helper()
	t.Setenv("LEEWARD_CLICKHOUSE_DSN", "env:DSN")
	t.Setenv("DSN", dsn)
	var out bytes.Buffer
	root := &cobra.Command{Use: "leeward"}
	root.AddCommand(command.All()...)
	root.SetOut(&out)
	root.SetArgs(strings.Fields(line))
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Errorf("%s: %v", line, err)
	}
	return out.String()
}

// land writes a ranking's rows as the recorder does, as far as advice reads them.
func land(t *testing.T, db *clickhouse.DB, r schemas.Ranking) {
	t.Helper()
	inputs := string(r.Inputs)
	for _, o := range r.Orders {
		for _, c := range o.Candidates {
			var names, results, evidence []string
			for _, g := range c.Gates {
				names, results, evidence = append(names, g.Name), append(results, string(g.Result)), append(evidence, g.Evidence)
			}
			if err := db.Exec(t.Context(), "INSERT INTO rankings (at, app, active, region, variant, running, eligible, inputs, `gates.name`, `gates.result`, `gates.evidence`) SELECT {at:DateTime64(3, 'UTC')}, {app:String}, {active:String}, {region:String}, {variant:String}, {running:Bool}, {eligible:Bool}, {inputs:String}, {names:Array(String)}, {results:Array(String)}, {evidence:Array(String)}",
				clickhouse.Named("at", r.At), clickhouse.Named("app", r.App), clickhouse.Named("active", o.Active), clickhouse.Named("region", c.Region), clickhouse.Named("variant", c.Variant),
				clickhouse.Named("running", c.Running), clickhouse.Named("eligible", c.Eligible), clickhouse.Named("inputs", inputs),
				clickhouse.Named("names", names), clickhouse.Named("results", results), clickhouse.Named("evidence", evidence)); err != nil {
				t.Fatal(err)
			}
			inputs = ""
		}
	}
}

func TestRegionThatWasNeverEligibleIsToldWithTheGateToBlame(t *testing.T) {
	db, dsn := database(t)
	now := time.Now().UTC().Truncate(time.Second)
	for i := range 4 {
		land(t, db, stored(t, now.Add(time.Duration(i-5)*time.Minute), nil))
	}
	land(t, db, stored(t, now.Add(-2*time.Hour), nil)) // before the span
	r, err := advise.Read(t.Context(), db, "shop", now.Add(-time.Hour), now)
	if err != nil {
		t.Fatal(err)
	}
	want := []advise.Barred{
		{Region: "tokyo", Active: "frankfurt", Rankings: 4, Gate: "jurisdiction", Share: 1, Evidence: "JP; allowed: DE, GB"},
		{Region: "tokyo", Active: "london", Rankings: 4, Gate: "jurisdiction", Share: 1, Evidence: "JP; allowed: DE, GB"},
	}
	if d := cmp.Diff(want, r.Barred); d != "" {
		t.Error(d)
	}
	if r.Rankings != 4 || r.Played == 0 || r.Played > 4 || len(r.Primaries) != 3 {
		t.Errorf("%d rankings, %d played, primaries %+v", r.Rankings, r.Played, r.Primaries)
	}
	if d := cmp.Diff(advise.Recovery{ExpectedDetectionSeconds: 3.8, Lags: []advise.Lag{}}, r.Recovery, cmpopts.EquateApprox(0, 1e-9)); d != "" {
		t.Error(d)
	}
	t.Run("commands of the page", func(t *testing.T) { page(t, dsn) })
	if _, err := advise.Read(t.Context(), db, "shop2", now.Add(-time.Hour), now); err == nil {
		t.Error("an app that nobody ranked has advice")
	}
}

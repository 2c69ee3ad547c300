package query_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/leeward-failover/leeward/pkg/chembedtest"
	"github.com/leeward-failover/leeward/test/query"
)

func dashboards(t *testing.T) []query.Dashboard {
	t.Helper()
	all, err := query.Dashboards(deploy)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestDashboardsAreWhole(t *testing.T) {
	var names []string
	uids := map[string]string{}
	for _, d := range dashboards(t) {
		names = append(names, strings.TrimSuffix(d.File, ".json"))
		if d.UID == "" || uids[d.UID] != "" || len(d.UID) > 40 {
			t.Errorf("%s: uid %q is missing, too long, or that of %q", d.File, d.UID, uids[d.UID])
		}
		uids[d.UID] = d.File
		if d.Title == "" || d.Description == "" || d.SchemaVersion == 0 || len(d.Panels) < 5 {
			t.Errorf("%s has title %q, description %q, schema %d and %d panels", d.File, d.Title, d.Description, d.SchemaVersion, len(d.Panels))
		}
		ids := map[int]bool{}
		for i, p := range d.Panels {
			if p.ID == 0 || ids[p.ID] || p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 {
				t.Errorf("%s: panel %q has id %d, description %q, unit %q and %d queries", d.File, p.Title, p.ID, p.Description, p.FieldConfig.Defaults.Unit, len(p.Targets))
			}
			ids[p.ID] = true
			if g := p.GridPos; g.W <= 0 || g.H <= 0 || g.X < 0 || g.X+g.W > 24 {
				t.Errorf("%s: panel %q lies at %+v, outside of the 24 columns", d.File, p.Title, g)
			}
			for _, q := range d.Panels[:i] {
				a, b := p.GridPos, q.GridPos
				if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
					t.Errorf("%s: panels %q and %q overlap", d.File, p.Title, q.Title)
				}
			}
			for _, target := range p.Targets {
				if want := (query.Datasource{Type: "prometheus", UID: "leeward-prometheus"}); target.Expr != "" && target.Datasource != want {
					t.Errorf("%s: panel %q asks %+v, want %+v", d.File, p.Title, target.Datasource, want)
				}
				if want := (query.Datasource{Type: "grafana-clickhouse-datasource", UID: "leeward-clickhouse"}); target.SQL != "" && target.Datasource != want {
					t.Errorf("%s: panel %q asks %+v, want %+v", d.File, p.Title, target.Datasource, want)
				}
				if target.RefID == "" || (target.Expr == "") == (target.SQL == "") {
					t.Errorf("%s: panel %q has a query without a name, or not one of PromQL and SQL: %+v", d.File, p.Title, target)
				}
			}
		}
	}
	if want := []string{"builds", "data-path", "failovers", "rankings", "regions"}; !slices.Equal(names, want) {
		t.Errorf("dashboards %v, want %v", names, want)
	}
}

func TestEveryExpressionParses(t *testing.T) {
	all, err := query.PromQL(deploy)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("only %d expressions were found", len(all))
	}
	for _, q := range all {
		if strings.Contains(q.Text, "$") && !strings.Contains(q.Text, "$1") {
			t.Errorf("%s: a variable is left in %s", q.Where, q.Text)
		}
		found, err := query.Selectors(q.Text)
		if err != nil || len(found) == 0 {
			t.Errorf("%s: %v, metrics %v", q.Where, err, found)
		}
	}
}

func TestSelectorsTellMetricsWithTheLabelsTheyNeed(t *testing.T) {
	found, err := query.Selectors(`sum by (app, le) (rate(a_bucket{kind="http"}[1m])) and on (x) label_replace(b{y="1"}, "x", "$1", "y", "(.+)")`)
	if err != nil {
		t.Fatal(err)
	}
	want := []query.Selector{{Metric: "a_bucket", Labels: []string{"kind", "app", "le"}}, {Metric: "b", Labels: []string{"y"}}}
	if !slices.EqualFunc(found, want, func(a, b query.Selector) bool { return a.Metric == b.Metric && slices.Equal(a.Labels, b.Labels) }) {
		t.Errorf("selectors %+v, want %+v", found, want)
	}
}

// TestEveryStatementRuns runs the SQL of the dashboards against the schema, as Grafana's data source would send it.
func TestEveryStatementRuns(t *testing.T) {
	db := chembedtest.Migrated(t, chembedtest.Start(t))
	ran := 0
	for _, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				if target.SQL == "" {
					continue
				}
				ran++
				statement := query.SQL(target.SQL)
				if strings.Contains(statement, "$") {
					t.Errorf("%s: panel %q: a macro is left in %s", d.File, p.Title, statement)
				}
				rows, err := db.Query(t.Context(), statement)
				if err != nil {
					t.Errorf("%s: panel %q: %v", d.File, p.Title, err)
					continue
				}
				for rows.Next() {
				}
				if err := rows.Err(); err != nil {
					t.Errorf("%s: panel %q: %v", d.File, p.Title, err)
				}
				_ = rows.Close()
			}
		}
	}
	if ran < 10 {
		t.Errorf("only %d statements ran", ran)
	}
}

// TestNoSecretIsProvisioned holds the data sources to placeholders for everything that is the user's.
func TestNoSecretIsProvisioned(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(deploy, "grafana/provisioning/datasources/leeward.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"url", "host", "port", "username", "password"} {
		found := regexp.MustCompile(`\b` + field + `: "?([^"\n}]*}?)`).FindSubmatch(text)
		if found == nil || !regexp.MustCompile(`^\$\{LEEWARD_[A-Z_]+\}$`).Match(found[1]) {
			t.Errorf("%s is %q, want a variable LEEWARD_…", field, found)
		}
	}
	for _, uid := range []string{"leeward-prometheus", "leeward-clickhouse"} {
		if !strings.Contains(string(text), "uid: "+uid) {
			t.Errorf("no data source has the uid %s", uid)
		}
	}
}

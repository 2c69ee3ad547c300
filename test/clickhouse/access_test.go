// Package clickhouse_test holds what deploy/clickhouse says to a ClickHouse server to the schema. The embedded engine has no store for roles and no Keeper, so it
// parses the statements and knows the tables; it does not carry them out.
package clickhouse_test

import (
	"encoding/xml"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/pkg/chembedtest"
	"github.com/leeward-failover/leeward/pkg/chsql"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/pkg/config"
	"github.com/leeward-failover/leeward/schemas"
)

const root = "../.."

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// engine is a ClickHouse, and the database leeward there, which is not made yet.
func engine(t *testing.T) (server, db *clickhouse.DB) {
	t.Helper()
	dsn := chembedtest.Start(t)
	open := func(database string) *clickhouse.DB {
		db, err := clickhouse.Open(strings.TrimSuffix(dsn, "default") + database)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	return open("default"), open("leeward")
}

// migrated is the database leeward with the schema of this release.
func migrated(t *testing.T) *clickhouse.DB {
	t.Helper()
	server, db := engine(t)
	exec(t, server, "CREATE DATABASE leeward")
	migrate(t, db)
	return db
}

func migrate(t *testing.T, db *clickhouse.DB) {
	t.Helper()
	files, err := fs.Sub(schemas.Migrations, "clickhouse")
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context(), files); err != nil {
		t.Fatal(err)
	}
}

func exec(t *testing.T, db *clickhouse.DB, statement string) {
	t.Helper()
	if err := db.Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// table is a table or view of the schema.
type table struct {
	Name    string   `ch:"name"`
	Engine  string   `ch:"engine"`
	Create  string   `ch:"create_table_query"`
	Columns []string `ch:"columns"`
}

// own says whether the table is the migration's, which nobody else reads.
func (t table) own() bool {
	return t.Name == "schema_migrations" || strings.HasPrefix(t.Name, "schema_lock_")
}

// regional says whether the rows of the table belong to a region.
func (t table) regional() bool {
	return strings.HasSuffix(t.Engine, "MergeTree") && (slices.Contains(t.Columns, "region") || slices.Contains(t.Columns, "to_region"))
}

func tables(t *testing.T, db *clickhouse.DB) map[string]table {
	t.Helper()
	var all []table
	const query = `SELECT name, engine, create_table_query, columns FROM system.tables AS t
		INNER JOIN (SELECT table, groupArray(name) AS columns FROM system.columns WHERE database = 'leeward' GROUP BY table) AS c ON c.table = t.name
		WHERE database = 'leeward'`
	if err := db.Select(t.Context(), &all, query); err != nil {
		t.Fatal(err)
	}
	named := map[string]table{}
	for _, table := range all {
		named[table.Name] = table
	}
	return named
}

var (
	grant     = regexp.MustCompile(`^GRANT (.+) ON (\w+)\.(\S+) TO (.+)$`)
	policy    = regexp.MustCompile(`^CREATE ROW POLICY OR REPLACE \w+ ON (.+) FOR SELECT USING (.+) TO (.+)$`)
	profile   = regexp.MustCompile("^CREATE SETTINGS PROFILE OR REPLACE `\\w+` SETTINGS (.+)$")
	role      = regexp.MustCompile(`^CREATE ROLE IF NOT EXISTS (\w+)$`)
	user      = regexp.MustCompile(`^CREATE USER IF NOT EXISTS (\w+) IDENTIFIED WITH sha256_hash BY \{\w+:String\} DEFAULT ROLE \w+$`)
	privilege = regexp.MustCompile(`(\w[\w ]*)(?:\(([^)]*)\))?`)
	setting   = regexp.MustCompile(`(?:^|, )(\w+) = `)
)

// access is what the files say.
type access struct {
	granted  map[string]bool              // tables that a role of analysts may read
	policies map[string]map[string]string // conditions, by role and table
	roles    []string
	problems []string
}

func (a *access) problem(format string, args ...any) {
	a.problems = append(a.problems, fmt.Sprintf(format, args...))
}

// readAccess reads the statements of a script as the engine's parser writes them, and looks for what they name.
func readAccess(t *testing.T, db *clickhouse.DB, script string) access {
	t.Helper()
	statements, err := chsql.Split(script)
	if err != nil {
		t.Fatal(err)
	}
	a := access{granted: map[string]bool{}, policies: map[string]map[string]string{}}
	schema := tables(t, db)
	for i, parsed := range parse(t, db, statements) {
		if parsed == nil {
			a.problem("the parser refuses %s", statements[i])
			continue
		}
		formatted := *parsed
		switch {
		case grant.MatchString(formatted):
			a.grant(schema, grant.FindStringSubmatch(formatted))
		case policy.MatchString(formatted):
			a.policy(t, db, policy.FindStringSubmatch(formatted))
		case profile.MatchString(formatted):
			a.profile(t, db, profile.FindStringSubmatch(formatted)[1])
		case role.MatchString(formatted):
			a.roles = append(a.roles, role.FindStringSubmatch(formatted)[1])
		case strings.HasPrefix(formatted, "CREATE USER") && !user.MatchString(formatted):
			a.problem("%s: a password is not a parameter", formatted)
		case strings.HasPrefix(formatted, "CREATE USER") && slices.Contains(a.roles, user.FindStringSubmatch(formatted)[1]):
			a.problem("%s: a role has this name", formatted)
		}
	}
	a.complete(schema)
	return a
}

// parse gives the statements as the engine writes them, and nil for one that it refuses.
func parse(t *testing.T, db *clickhouse.DB, statements []string) (formatted []*string) {
	t.Helper()
	const query = "SELECT arrayMap(s -> formatQuerySingleLineOrNull(s), {statements:Array(String)})"
	if err := db.QueryRow(t.Context(), query, clickhouse.Named("statements", statements)).Scan(&formatted); err != nil {
		t.Fatal(err)
	}
	return formatted
}

func (a *access) profile(t *testing.T, db *clickhouse.DB, settings string) {
	var names, unknown []string
	for _, m := range setting.FindAllStringSubmatch(settings, -1) {
		names = append(names, m[1])
	}
	const query = "SELECT arrayFilter(n -> n NOT IN (SELECT name FROM system.settings), {names:Array(String)})"
	if err := db.QueryRow(t.Context(), query, clickhouse.Named("names", names)).Scan(&unknown); err != nil {
		t.Fatal(err)
	}
	for _, name := range unknown {
		a.problem("there is no setting %s", name)
	}
}

func (a *access) grant(schema map[string]table, m []string) {
	privileges, database, name, roles := m[1], m[2], m[3], m[4]
	if database != "leeward" || name == "*" || name == "schema_lock_*" {
		return
	}
	on, ok := schema[name]
	if !ok {
		a.problem("a grant names %s, which is not there", name)
	}
	for _, p := range privilege.FindAllStringSubmatch(privileges, -1) {
		for column := range strings.SplitSeq(strings.ReplaceAll(p[2], "`", ""), ", ") {
			if ok && column != "" && !slices.Contains(on.Columns, column) {
				a.problem("a grant names %s.%s, which is not there", name, column)
			}
		}
	}
	if strings.HasPrefix(roles, "leeward_analyst") {
		a.granted[name] = true
	}
}

func (a *access) policy(t *testing.T, db *clickhouse.DB, m []string) {
	on, condition, roles := m[1], m[2], m[3]
	everywhere := "SELECT 1 FROM " + strings.ReplaceAll(on, ", ", " WHERE "+condition+" UNION ALL SELECT 1 FROM ") + " WHERE " + condition
	if err := db.Exec(t.Context(), everywhere); err != nil {
		a.problem("a policy: %s", clickhouse.Message(err))
	}
	for name := range strings.SplitSeq(on, ", ") {
		for r := range strings.SplitSeq(roles, ", ") {
			if a.policies[r] == nil {
				a.policies[r] = map[string]string{}
			}
			a.policies[r][strings.TrimPrefix(name, "leeward.")] = condition
		}
	}
}

// complete looks for what the statements leave out.
func (a *access) complete(schema map[string]table) {
	for name, table := range schema {
		if table.own() || table.Engine == "MaterializedView" {
			continue
		}
		if !a.granted[name] {
			a.problem("no analyst may read %s", name)
		}
		if strings.Contains(table.Create, " SQL SECURITY DEFINER") || strings.Contains(table.Create, " SQL SECURITY NONE") {
			a.problem("the view %s shows what its asker may not see", name)
		}
		for _, r := range a.roles {
			if table.regional() && a.policies[r][name] == "" {
				a.problem("%s has no row policy on %s", r, name)
			}
		}
	}
	slices.Sort(a.problems)
}

func script(t *testing.T) string {
	t.Helper()
	return read(t, "deploy/clickhouse/access.sql") + read(t, "deploy/clickhouse/users.sql")
}

func TestAccessFitsTheSchemaAndEachGuardBites(t *testing.T) {
	db, text := migrated(t), script(t)
	if a := readAccess(t, db, text); len(a.problems) > 0 || len(a.granted) < 12 || len(a.roles) < 6 {
		t.Errorf("%d tables and views are granted, to %v; problems:\n%s", len(a.granted), a.roles, strings.Join(a.problems, "\n"))
	}
	for what, c := range map[string]struct{ old, replaced, want string }{
		"table misspelled":          {"GRANT SELECT ON leeward.builds TO", "GRANT SELECT ON leeward.build TO", "a grant names build, which is not there"},
		"view misspelled":           {"leeward.latency_by_region", "leeward.latency_by_regio", "a grant names latency_by_regio, which is not there"},
		"column misspelled":         {"eligible, enough", "eligible, enuff", "a grant names rankings.enuff, which is not there"},
		"table not granted":         {"GRANT SELECT ON leeward.events TO leeward_analyst_all;", "", "no analyst may read events"},
		"view not granted":          {"GRANT SELECT ON leeward.latency_by_region TO leeward_analyst;", "", "no analyst may read latency_by_region"},
		"policy on no table":        {"ON leeward.drills USING to_region IN ('london')", "ON leeward.drill USING to_region IN ('london')", "Unknown table expression identifier 'leeward.drill'"},
		"policy on no column":       {"USING region IN ('london')", "USING regoin IN ('london')", "identifier `regoin`"},
		"table without a policy":    {"leeward.decisions\n    USING region IN ('london')", "leeward.rankings\n    USING region IN ('london')", "leeward_analyst_gb has no row policy on decisions"},
		"role without a policy":     {"USING 1 TO leeward_recorder, leeward_ranker,", "USING 1 TO leeward_recorder,", "leeward_ranker has no row policy on samples"},
		"setting misspelled":        {"max_rows_to_read", "max_rows_to_reed", "there is no setting max_rows_to_reed"},
		"privilege misspelled":      {"GRANT TRUNCATE ON", "GRANT TRUNCAT ON", "the parser refuses GRANT TRUNCAT"},
		"not SQL":                   {"KEYED BY user_name", "KEYED BY user", "the parser refuses CREATE QUOTA"},
		"password in the file":      {"BY {ada:String}", "BY '0123'", "a password is not a parameter"},
		"user with a role's name":   {"NOT EXISTS recorder", "NOT EXISTS leeward_recorder", "a role has this name"},
		"view that shows too much":  {"", "CREATE VIEW leak SQL SECURITY DEFINER AS SELECT region FROM samples", "the view leak shows what its asker may not see"},
		"new view that nobody sees": {"", "CREATE VIEW leak AS SELECT region FROM samples", "no analyst may read leak"},
		"new table without policy":  {"", "CREATE TABLE leak (region String) ENGINE = MergeTree ORDER BY region", "leeward_analyst_de has no row policy on leak"},
	} {
		changed := text
		if c.old == "" {
			exec(t, db, c.replaced)
		} else if changed = strings.ReplaceAll(text, c.old, c.replaced); changed == text {
			t.Fatalf("%s: the files no longer contain %q", what, c.old)
		}
		a := readAccess(t, db, changed)
		if !slices.ContainsFunc(a.problems, func(p string) bool { return strings.Contains(p, c.want) }) {
			t.Errorf("%s: problems %q, want %q", what, a.problems, c.want)
		}
		exec(t, db, "DROP TABLE IF EXISTS leak")
	}
}

func TestJurisdictionsSeeTheirRegions(t *testing.T) {
	a := readAccess(t, migrated(t), script(t))
	topology, err := config.Parse("leeward.yaml", []byte(read(t, "deploy/compose/leeward.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"leeward_recorder": "1", "leeward_ranker": "1", "leeward_analyst": "0", "leeward_analyst_all": "1"}
	regions := map[string][]string{}
	for _, r := range topology.Regions {
		regions[r.Jurisdiction] = append(regions[r.Jurisdiction], "'"+r.Name+"'")
	}
	for jurisdiction, names := range regions {
		want["leeward_analyst_"+strings.ToLower(jurisdiction)] = "region IN (" + strings.Join(names, ", ") + ")"
	}
	got := map[string]string{}
	for role, conditions := range a.policies {
		for table, condition := range conditions {
			if table == "drills" {
				condition = strings.TrimPrefix(condition, "to_")
			}
			if got[role] != "" && got[role] != condition {
				t.Errorf("%s sees %s of %s, and %s of others", role, condition, table, got[role])
			}
			got[role] = condition
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what a role sees (-deploy/compose/leeward.yaml +access.sql):\n%s", diff)
	}
}

// TestComposeGrantsTheServicesTheSame holds the users of docker-compose.yml, whose database is default, to the roles.
func TestComposeGrantsTheServicesTheSame(t *testing.T) {
	var file struct {
		Users struct {
			Recorder []string `xml:"leeward_recorder>grants>query"`
			Ranker   []string `xml:"leeward_ranker>grants>query"`
		} `xml:"users"`
	}
	if err := xml.Unmarshal([]byte(read(t, "deploy/clickhouse/users.d/leeward.xml")), &file); err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{}
	for _, m := range regexp.MustCompile(`(?m)^(GRANT .+) TO (\w+);$`).FindAllStringSubmatch(read(t, "deploy/clickhouse/access.sql"), -1) {
		want[m[2]] = append(want[m[2]], strings.Replace(m[1], "leeward.", "default.", 1))
	}
	for role, got := range map[string][]string{"leeward_recorder": file.Users.Recorder, "leeward_ranker": file.Users.Ranker} {
		if diff := cmp.Diff(want[role], got); diff != "" {
			t.Errorf("grants of %s (-access.sql +users.d/leeward.xml):\n%s", role, diff)
		}
	}
}

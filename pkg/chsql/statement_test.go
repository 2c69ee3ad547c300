package chsql_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/pkg/chsql"
)

func TestSplitCutsOnlyAtTrueSemicolons(t *testing.T) {
	for script, want := range map[string][]string{
		"":                                    nil,
		"-- nothing; here":                    nil,
		"SELECT 1":                            {"SELECT 1"},
		"SELECT 1; SELECT 2;":                 {"SELECT 1", "SELECT 2"},
		"SELECT ';'; SELECT 'it''s;'":         {"SELECT ';'", "SELECT 'it''s;'"},
		`SELECT '\';'; SELECT 2`:              {`SELECT '\';'`, "SELECT 2"},
		"SELECT `a;b`, \"c;d\"; SELECT 2":     {"SELECT `a;b`, \"c;d\"", "SELECT 2"},
		"SELECT 1 -- a; b\n, 2; SELECT 3":     {"SELECT 1 -- a; b\n, 2", "SELECT 3"},
		"SELECT 1 /* a; ' */; # c;\nSELECT 2": {"SELECT 1 /* a; ' */", "# c;\nSELECT 2"},
		"SELECT $t$a;'b$t$; SELECT 2":         {"SELECT $t$a;'b$t$", "SELECT 2"},
		";;SELECT 1;;":                        {"SELECT 1"},
	} {
		got, err := chsql.Split(script)
		if err != nil {
			t.Errorf("Split(%q): %v", script, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Split(%q), want - got +:\n%s", script, diff)
		}
	}
}

func TestSplitRefusesWhatIsNotClosed(t *testing.T) {
	for _, script := range []string{"SELECT 'a", "SELECT `a", "SELECT 1 /* b", "SELECT $x$ y"} {
		if got, err := chsql.Split(script); err == nil {
			t.Errorf("Split(%q) = %q, want an error", script, got)
		}
	}
}

func TestParseInsertFindsTheData(t *testing.T) {
	type found struct{ Statement, Format, Data string }
	for text, want := range map[string]*found{
		"INSERT INTO t FORMAT CSV\n1,2":                         {"INSERT INTO t ", "CSV", "1,2"},
		"insert into a.t (x, y) format Native\r\n\x01'\x00":     {"insert into a.t (x, y) ", "Native", "\x01'\x00"},
		"INSERT INTO t VALUES (1),(2)":                          {"INSERT INTO t ", "Values", " (1),(2)"},
		"INSERT INTO t (a) VALUES":                              {"INSERT INTO t (a) ", "Values", ""},
		"INSERT INTO t (a)":                                     {"INSERT INTO t (a)", "Values", ""},
		"INSERT INTO t SETTINGS async_insert=0 FORMAT TSV\n\n1": {"INSERT INTO t SETTINGS async_insert=0 ", "TSV", "\n1"},
		"/* c */ INSERT INTO `format` FORMAT JSONEachRow {}":    {"/* c */ INSERT INTO `format` ", "JSONEachRow", "{}"},
		"INSERT INTO format FORMAT CSV 1":                       {"INSERT INTO format ", "CSV", "1"},
		"INSERT INTO TABLE db.values (format) FORMAT CSV\n1":    {"INSERT INTO TABLE db.values (format) ", "CSV", "1"},
		"INSERT INTO FUNCTION file('x', 'CSV') (a) VALUES (1)":  {"INSERT INTO FUNCTION file('x', 'CSV') (a) ", "Values", " (1)"},
		"INSERT INTO t SELECT 1 FORMAT CSV":                     nil,
		"INSERT INTO t (a) WITH 1 AS x SELECT x":                nil,
		"INSERT INTO t (SELECT 1)":                              nil,
		"INSERT INTO t FROM INFILE 'x' FORMAT CSV":              nil,
		"INSERT INTO t; DROP TABLE t":                           nil,
		"SELECT 'INSERT INTO t FORMAT CSV'":                     nil,
		"WITH 1 AS x INSERT INTO t SELECT x":                    nil,
	} {
		in, ok := chsql.ParseInsert(text)
		var got *found
		if ok {
			got = &found{in.Statement, in.Format, text[in.Data:]}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ParseInsert(%q), want - got +:\n%s", text, diff)
		}
	}
}

func TestParseQueryReadsVerbFormatAndFiles(t *testing.T) {
	for text, want := range map[string]chsql.Query{
		"select 1":                               {Verb: "SELECT"},
		"(SELECT 1) FORMAT JSON":                 {Verb: "SELECT", Format: "JSON"},
		"SELECT 1 FORMAT CSV SETTINGS a=1; -- x": {Verb: "SELECT", Format: "CSV"},
		"SELECT format('{}', 1)":                 {Verb: "SELECT"},
		"SELECT 'FORMAT JSON'":                   {Verb: "SELECT"},
		"SELECT 1 INTO OUTFILE 'x' FORMAT CSV":   {Verb: "SELECT", Format: "CSV", Outfile: true},
		"INSERT INTO t FROM INFILE 'x'":          {Verb: "INSERT", Outfile: true},
		"-- c\nSHOW TABLES":                      {Verb: "SHOW"},
	} {
		got, err := chsql.ParseQuery(text)
		if err != nil {
			t.Errorf("ParseQuery(%q): %v", text, err)
		}
		got.Bare = "" // has cases of its own
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ParseQuery(%q), want - got +:\n%s", text, diff)
		}
	}
}

func TestCutTakesWhatIsEndedAndKeepsWhatIsNot(t *testing.T) {
	for text, want := range map[string]struct {
		statements []string
		rest       string
	}{
		"":                                {nil, ""},
		" -- nothing\n":                   {nil, ""},
		"SELECT 1":                        {nil, "SELECT 1"},
		"SELECT 1;\n":                     {[]string{"SELECT 1"}, ""},
		"SELECT 1; ;SELECT\n 2;\nSELECT ": {[]string{"SELECT 1", "SELECT\n 2"}, "\nSELECT "},
		"SELECT ';\n":                     {nil, "SELECT ';\n"},
		"SELECT 1; SELECT ';\n":           {[]string{"SELECT 1"}, " SELECT ';\n"},
		"SELECT 1 -- ;\n":                 {nil, "SELECT 1 -- ;\n"},
		"/* SELECT 1;\n":                  {nil, "/* SELECT 1;\n"},
	} {
		statements, rest := chsql.Cut(text)
		if diff := cmp.Diff(want.statements, statements); diff != "" || rest != want.rest {
			t.Errorf("Cut(%q) leaves %q, want %q; want - got +:\n%s", text, rest, want.rest, diff)
		}
	}
}

func TestFormatClauseIsToldFromAColumnOfThatName(t *testing.T) {
	for text, want := range map[string][2]string{
		"SELECT 1 FORMAT CSV":                               {"CSV", "SELECT 1"},
		"SELECT 1 format JSONEachRow -- so":                 {"JSONEachRow", "SELECT 1  -- so"},
		"SELECT 1 FORMAT CSV SETTINGS max_threads = 1":      {"CSV", "SELECT 1  SETTINGS max_threads = 1"},
		"SELECT count(*) FROM t WHERE (a = 1) FORMAT Null;": {"Null", "SELECT count(*) FROM t WHERE (a = 1) ;"},
		"SELECT * FORMAT TSV":                               {"TSV", "SELECT *"},
		"SHOW TABLES FORMAT TSV":                            {"TSV", "SHOW TABLES"},
		"SELECT 1 AS format FORMAT TSV":                     {"TSV", "SELECT 1 AS format"},
		"SELECT format FROM t FORMAT TSV":                   {"TSV", "SELECT format FROM t"},
		"SELECT * FROM t ORDER BY format DESC":              {"", "SELECT * FROM t ORDER BY format DESC"},
		"SELECT * FROM t ORDER BY a, format ASC":            {"", "SELECT * FROM t ORDER BY a, format ASC"},
		"SELECT format f":                                   {"", "SELECT format f"},
		"SELECT 'x FORMAT CSV'":                             {"", "SELECT 'x FORMAT CSV'"},
		"SELECT (SELECT 1 FORMAT CSV)":                      {"", "SELECT (SELECT 1 FORMAT CSV)"},
		"SELECT 1 FORMAT":                                   {"", "SELECT 1 FORMAT"},
	} {
		q, err := chsql.ParseQuery(text)
		if err != nil || q.Format != want[0] || q.Bare != want[1] {
			t.Errorf("ParseQuery(%q) has format %q and leaves %q, want %q: %v", text, q.Format, q.Bare, want, err)
		}
	}
}

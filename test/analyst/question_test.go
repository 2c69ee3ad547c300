// Package analyst_test asks a real ClickHouse what analysts ask, and holds its views and their reference to what is so.
package analyst_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/chembedtest"
	"github.com/leeward-failover/leeward/pkg/chsql"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
)

// migrated starts a ClickHouse with the schema.
func migrated(t *testing.T) *clickhouse.DB {
	t.Helper()
	return chembedtest.Migrated(t, chembedtest.Start(t))
}

// ask gives the rows of a query, read with the rights of an analyst: each value as JSON has it.
func ask(t *testing.T, db *clickhouse.DB, query string) [][]any {
	t.Helper()
	var out bytes.Buffer
	if err := db.QueryFormat(clickhouse.ReadOnly(context.WithoutCancel(t.Context())), &out, "JSONCompactEachRow", query); err != nil {
		t.Fatalf("%v\n%s", err, query)
	}
	var rows [][]any
	decoder := json.NewDecoder(&out)
	for decoder.More() {
		var row []any
		if err := decoder.Decode(&row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

// alike compares what a query gave with what it should: numbers may differ by what a sketch may be off, and a quantile of 2,000 samples by its neighbour.
func alike(got, want any) bool {
	switch w := want.(type) {
	case float64:
		g, ok := got.(float64)
		return ok && math.Abs(g-w) <= 0.015*math.Abs(w)+1e-9
	case int:
		return fmt.Sprint(got) == fmt.Sprint(w)
	case time.Time:
		g, ok := got.(string)
		at, err := time.Parse("2006-01-02 15:04:05", strings.TrimSuffix(g, ".000"))
		return ok && err == nil && at.Sub(w).Abs() <= 5*time.Second
	case []any:
		g, ok := got.([]any)
		return ok && slices.EqualFunc(g, w, alike)
	}
	return got == want
}

func compare(t *testing.T, got, want [][]any) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Errorf("row %d: none, want %v", i+1, want[i])
		case i >= len(want):
			t.Errorf("row %d: %v, want none", i+1, got[i])
		case !slices.EqualFunc(got[i], want[i], alike):
			t.Errorf("row %d:\n got %v\nwant %v", i+1, got[i], want[i])
		}
	}
}

var question = regexp.MustCompile("(?s)\n## (\\d+)\\. ([^\n]+)\n.*?```sql\n(.*?)```")

func TestTwelveQuestionsHaveTheAnswersWorkedOutApart(t *testing.T) {
	page, err := os.ReadFile("../../docs/how-to/questions.md")
	if err != nil {
		t.Fatal(err)
	}
	questions := question.FindAllStringSubmatch(string(page), -1)
	db, w := chembedtest.Migrated(t, chembedtest.Start(t)), generate()
	w.insert(t, db)
	statements, err := chsql.Split(history)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if err := db.Exec(t.Context(), s); err != nil {
			t.Fatalf("%v\n%s", err, s)
		}
	}
	answers := w.answers(time.Now().UTC())
	if len(questions) != 12 || len(answers) != 12 {
		t.Fatalf("%d questions and %d answers, want 12", len(questions), len(answers))
	}
	for i, q := range questions {
		t.Run(q[1]+" "+q[2], func(t *testing.T) {
			if q[1] != fmt.Sprint(i+1) {
				t.Errorf("question %d has number %s", i+1, q[1])
			}
			want := answers[i]
			if len(want) == 0 {
				t.Fatal("nothing is expected")
			}
			compare(t, ask(t, db, q[3]), want)
		})
	}
}

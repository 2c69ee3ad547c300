package clickhouse_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/leeward-failover/leeward/pkg/clickhouse"
)

// The keys of a column are one, two or four bytes wide; in each case every value comes back as it was.
func TestNamesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	db := open(t)
	for _, kind := range []string{"LowCardinality(String)", "String"} {
		for _, different := range []int{1, 2, 254, 255, 256, 65_534, 65_535, 65_536, 70_000} {
			exec(t, db, "DROP TABLE IF EXISTS t", "CREATE TABLE t (n UInt32, v "+kind+") ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 100")
			names := clickhouse.Names{Texts: []string{"never used", ""}}
			var n []uint32
			var want strings.Builder
			for i := range different {
				if i > 0 {
					names.Texts = append(names.Texts, fmt.Sprint("text ", i))
				}
				for range 2 { // equal values beside and away from each other
					names.Index, n = append(names.Index, uint32(i+1)), append(n, uint32(len(n)))
				}
			}
			names.Index, n = append(names.Index, 1), append(n, uint32(len(n)))
			for i := range names.Index {
				fmt.Fprintf(&want, "%s,", names.At(i))
			}
			block := clickhouse.Block{Table: "t", Token: "1", Columns: []clickhouse.Column{{Name: "n", Values: n}, {Name: "v", Values: names}}}
			if err := db.Insert(t.Context(), block); err != nil {
				t.Fatalf("%d texts in %s: %v", different, kind, err)
			}
			var got string
			if err := db.QueryRow(t.Context(), "SELECT concat(arrayStringConcat(groupArray(v), ','), ',') FROM (SELECT v FROM t ORDER BY n)").Scan(&got); err != nil {
				t.Fatal(err)
			}
			if got != want.String() {
				t.Errorf("%d texts in %s came back as others", different, kind)
			}
		}
	}
}

func TestNamesWithoutATextAreRefused(t *testing.T) {
	t.Parallel()
	db := open(t)
	exec(t, db, "CREATE TABLE t (v LowCardinality(String)) ENGINE = MergeTree ORDER BY v")
	for _, index := range [][]uint32{{0, 2}, {1<<32 - 1}} {
		err := db.Insert(t.Context(), clickhouse.Block{Table: "t", Token: "1", Columns: []clickhouse.Column{{Name: "v", Values: clickhouse.Names{Index: index, Texts: []string{"a", "b"}}}}})
		if err == nil {
			t.Errorf("%v was inserted", index)
		}
	}
	if got := number(t, db, "SELECT count() FROM t"); got != 0 {
		t.Errorf("%d rows are there", got)
	}
}

// Who says what he sends need not know what the table has.
func TestInsertWithTypesOfItsOwn(t *testing.T) {
	t.Parallel()
	db := open(t)
	exec(t, db, "CREATE TABLE t (v UInt64, w String) ENGINE = MergeTree ORDER BY tuple()")
	err := db.Insert(t.Context(), clickhouse.Block{Table: "t", Token: "1", Columns: []clickhouse.Column{
		{Name: "v", Type: "UInt32", Values: []uint32{1, 2}},
		{Name: "w", Type: "LowCardinality(String)", Values: clickhouse.Names{Index: []uint32{1, 0}, Texts: []string{"a", "b"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got := number(t, db, "SELECT sum(v * ((v = 1) = (w = 'b'))) FROM t"); got != 3 {
		t.Errorf("the rows came back as others: %d", got)
	}
	err = db.Insert(t.Context(), clickhouse.Block{Table: "t", Token: "2", Columns: []clickhouse.Column{{Name: "gone", Type: "UInt32", Values: []uint32{1}}}})
	if err == nil {
		t.Error("a column that is not there was filled")
	}
}

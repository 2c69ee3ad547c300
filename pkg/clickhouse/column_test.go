package clickhouse_test

import (
	"reflect"
	"testing"

	"github.com/leeward-failover/leeward/pkg/clickhouse"
)

// column reads column v of table t into a slice of the type of like.
func column(t *testing.T, db *clickhouse.DB, like any) (any, error) {
	t.Helper()
	rows, err := db.Query(t.Context(), "SELECT v FROM t ORDER BY n")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	kind := reflect.TypeOf(like)
	all := reflect.MakeSlice(kind, 0, 2)
	for rows.Next() {
		v := reflect.New(kind.Elem())
		if err := rows.Scan(v.Interface()); err != nil {
			return nil, err
		}
		all = reflect.Append(all, v.Elem())
	}
	return all.Interface(), rows.Err()
}

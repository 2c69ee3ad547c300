package celgate

import (
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/traits"
)

// labelMap is a region's labels in one order. CEL goes through a Go map in any order, so that what it finds first, or fails at, would change from one time to the next.
type labelMap struct {
	traits.Mapper
	values map[string]string
	names  []string
}

func newLabels(values map[string]string) labelMap {
	return labelMap{types.NewStringStringMap(types.DefaultTypeAdapter, values), values, slices.Sorted(maps.Keys(values))}
}

// Iterator goes through the names in order.
func (l labelMap) Iterator() traits.Iterator {
	return types.NewStringList(types.DefaultTypeAdapter, l.names).(traits.Iterable).Iterator()
}

// String is {name: value, …}.
func (l labelMap) String() string {
	pairs := make([]string, len(l.names))
	for i, name := range l.names {
		pairs[i] = name + ": " + l.values[name]
	}
	return "{" + strings.Join(pairs, ", ") + "}"
}

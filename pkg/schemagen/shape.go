package schemagen

import (
	_ "embed"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/leeward-failover/leeward/pkg/config"
)

// Smallest holds every group of fields of leeward.yaml at least once and leaves out of each whatever may be left out. What the reader demands and what it fills in are learned from it.
// Its documents are files of their own.
//
//go:embed smallest.yaml
var Smallest string

// shape is what leeward.yaml looks like to the code that reads it.
type shape struct {
	// groups counts how often a group of fields occurs in Smallest, and present how often each field does.
	groups  map[reflect.Type]int
	present map[reflect.Type]map[string]int
	// filled are the values of fields that were left out.
	filled map[reflect.Type]map[string]any
}

func readShape() (*shape, error) {
	s := &shape{map[reflect.Type]int{}, map[reflect.Type]map[string]int{}, map[reflect.Type]map[string]any{}}
	for document := range strings.SplitSeq(Smallest, "---\n") {
		topology, err := config.Parse("smallest.yaml", []byte(document))
		if err != nil {
			return nil, err
		}
		var tree any
		if err := yaml.Unmarshal([]byte(document), &tree); err != nil {
			return nil, err
		}
		s.walk(tree, reflect.ValueOf(topology))
	}
	return s, nil
}

// walk compares what is written with what was read.
func (s *shape) walk(written any, read reflect.Value) {
	switch read.Kind() {
	case reflect.Pointer:
		if !read.IsNil() {
			s.walk(written, read.Elem())
		}
	case reflect.Slice:
		list, _ := written.([]any)
		for i := range min(len(list), read.Len()) {
			s.walk(list[i], read.Index(i))
		}
	case reflect.Struct:
		s.group(written, read)
	}
}

func (s *shape) group(written any, read reflect.Value) {
	t := read.Type()
	if s.present[t] == nil {
		s.present[t], s.filled[t] = map[string]int{}, map[string]any{}
	}
	texts, isWritten := written.(map[string]any)
	if isWritten {
		s.groups[t]++
	}
	for _, field := range fields(t) {
		name := nameOf(field)
		value, ok := texts[name]
		if ok {
			s.present[t][name]++
		}
		if f := read.FieldByIndex(field.Index); !ok && f.Kind() != reflect.Struct && !f.IsZero() {
			s.filled[t][name] = f.Interface()
		} else {
			s.walk(value, f)
		}
	}
}

// needed lists the fields that no group of the type leaves out.
func (s *shape) needed(t reflect.Type) []string {
	var names []string
	for _, f := range fields(t) {
		if name := nameOf(f); s.groups[t] > 0 && s.present[t][name] == s.groups[t] {
			names = append(names, name)
		}
	}
	return names
}

// fields are those that the file can hold.
func fields(t reflect.Type) []reflect.StructField {
	return slices.DeleteFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool { return nameOf(f) == "-" })
}

func nameOf(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return name
}

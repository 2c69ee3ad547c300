package schemagen

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/leeward-failover/leeward/schemas"
)

// meaning is a field's comment in the words of the file: it starts with the field's name there.
func meaning(c comments, t reflect.Type, f reflect.StructField) (string, error) {
	text, err := c.field(t, f)
	if rest, ok := strings.CutPrefix(text, f.Name+" "); ok {
		text = code(nameOf(f)) + " " + rest
	}
	return text, err
}

// schema is the JSON Schema of leeward.yaml.
func (s *shape) schema(c comments) ([]byte, error) {
	var missing error
	lookup := func(t reflect.Type, field string) string {
		if field == "" {
			return c.lookup(t, "")
		}
		f, _ := t.FieldByName(field)
		text, err := meaning(c, t, f)
		missing = errors.Join(missing, err)
		return text
	}
	r := &jsonschema.Reflector{Anonymous: true, ExpandedStruct: true, Mapper: mapped, LookupComment: lookup}
	root := reflect.TypeFor[schemas.Topology]()
	out := r.ReflectFromType(root)
	if missing != nil {
		return nil, missing
	}
	out.Title, out.Comments = "leeward.yaml", generated
	for _, g := range groups(root, "") {
		d := out.Definitions[g.of.Name()]
		if g.of == root {
			d = out
		}
		d.Required = s.needed(g.of)
		for name, value := range s.filled[g.of] {
			property, ok := d.Properties.Get(name)
			if !ok {
				return nil, fmt.Errorf("%s has no property %s", g.of, name)
			}
			property.Default = value
			if duration, ok := value.(schemas.Duration); ok {
				property.Default = short(duration)
			}
		}
	}
	return marshal(out)
}

// group is a group of fields and where it stands in the file, as apps[].probe.
type group struct {
	path string
	of   reflect.Type
}

// groups lists every group of fields below a type, in the order of the file.
func groups(t reflect.Type, path string) []group {
	all := []group{{path, t}}
	for _, f := range fields(t) {
		below := strings.TrimPrefix(path+"."+nameOf(f), ".")
		of := f.Type
		if of.Kind() == reflect.Slice {
			of, below = of.Elem(), below+"[]"
		}
		if of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		if of.Kind() == reflect.Struct {
			all = append(all, groups(of, below)...)
		}
	}
	return all
}

// reference is the page that explains every field of leeward.yaml.
func (s *shape) reference(c comments) ([]byte, error) {
	var w bytes.Buffer
	w.WriteString(header + "# leeward.yaml\n\n" +
		"One file says what runs where, how it is measured, judged and moved. `leeward config validate leeward.yaml` shows every problem with its place, and `leeward apply leeward.yaml` applies it.\n\n" +
		"- Durations are written as `800ms`, `1s`, `10m`, `1h30m`.\n- A secret is a reference, `env:NAME` or `file:PATH`, resolved by the one service that uses it; a literal secret is refused.\n" +
		"- An unknown field, a field that stands twice, an anchor or an alias is an error.\n" +
		"- [leeward.schema.json](../../examples/leeward.schema.json) lets an editor help: start the file with `# yaml-language-server: $schema=<its path or address>`.\n")
	for _, g := range groups(reflect.TypeFor[schemas.Topology](), "") {
		title := code(g.path)
		if g.path == "" {
			title = "The file"
		}
		fmt.Fprintf(&w, "\n## %s\n\n%s\n\n%s", title, c.lookup(g.of, ""), head("field", "type", "default", "meaning"))
		for _, f := range fields(g.of) {
			text, err := meaning(c, g.of, f)
			if err != nil {
				return nil, err
			}
			w.WriteString(row(code(nameOf(f)), kind(f.Type), s.fallback(g.of, nameOf(f)), text))
		}
	}
	return w.Bytes(), nil
}

// fallback says what a field is when it is left out.
func (s *shape) fallback(t reflect.Type, name string) string {
	if slices.Contains(s.needed(t), name) {
		return "needed"
	}
	switch v := s.filled[t][name].(type) {
	case nil:
		return "–"
	case schemas.Duration:
		return code(short(v))
	default:
		data, err := json.Marshal(v)
		if err != nil {
			panic("a default is always encodable: " + err.Error())
		}
		return code(strings.Trim(string(data), `"`))
	}
}

// short leaves out the zeroes that Go writes at the end of a duration.
func short(d schemas.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// kind names a type as a reader of the file thinks of it.
func kind(t reflect.Type) string {
	if t == reflect.TypeFor[schemas.Duration]() {
		return "duration"
	}
	switch t.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "whole number"
	case reflect.Float64:
		return "number"
	case reflect.Map:
		return "names with texts"
	case reflect.Slice:
		return "list of " + kind(t.Elem())
	default:
		return "fields"
	}
}

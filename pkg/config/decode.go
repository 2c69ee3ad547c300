package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/leeward-failover/leeward/schemas"
)

// position is a place in the file, both counted from 1.
type position struct{ line, column int }

// decoder fills a value from a syntax tree and remembers where each path stood, so that later checks can point there.
type decoder struct {
	file      string
	problems  Problems
	positions map[string]position
}

func (d *decoder) fail(at position, message, hint string) {
	d.problems = append(d.problems, Problem{File: d.file, Line: at.line, Column: at.column, Message: message, Hint: hint})
}

func (d *decoder) syntax(err error) {
	at := position{1, 1}
	message := err.Error()
	var tokenError yaml.Error
	if errors.As(err, &tokenError) {
		message = tokenError.GetMessage()
		if t := tokenError.GetToken(); t != nil && t.Position != nil {
			at = position{t.Position.Line, t.Position.Column}
		}
	}
	d.fail(at, "not YAML: "+message, "")
}

func (d *decoder) root(node ast.Node, t *schemas.Topology) {
	d.value(node, reflect.ValueOf(t).Elem(), "")
}

func positionOf(node ast.Node) position {
	var t *token.Token
	switch n := node.(type) {
	case *ast.MappingNode:
		if len(n.Values) > 0 {
			return positionOf(n.Values[0].Key)
		}
		t = n.Start
	case *ast.MappingValueNode:
		return positionOf(n.Key)
	default:
		t = node.GetToken()
	}
	if t == nil || t.Position == nil {
		return position{1, 1}
	}
	return position{t.Position.Line, t.Position.Column}
}

// value decodes node into v; path names v in messages, as apps[0].probe.interval.
func (d *decoder) value(node ast.Node, v reflect.Value, path string) {
	if path != "" {
		d.positions[path] = positionOf(node)
	}
	switch n := node.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		d.fail(positionOf(node), "anchors, aliases and tags are not allowed", "write the value out")
		return
	case *ast.NullNode:
		d.fail(positionOf(n), fmt.Sprintf("%s has no value", path), "give it one, or remove the line")
		return
	}
	if _, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		d.scalar(node, v, path)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(node, v.Elem(), path)
	case reflect.Struct:
		d.mapping(node, v, path)
	case reflect.Slice:
		d.sequence(node, v, path)
	case reflect.Map:
		d.texts(node, v, path)
	default:
		d.scalar(node, v, path)
	}
}

func pairs(node ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := node.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

func (d *decoder) mapping(node ast.Node, v reflect.Value, path string) {
	values, ok := pairs(node)
	if !ok {
		d.fail(positionOf(node), fmt.Sprintf("%s is %s, not fields", named(path), kindOf(node)), "its fields are "+strings.Join(fieldNames(v.Type()), ", "))
		return
	}
	seen := map[string]bool{}
	for _, pair := range values {
		name := keyText(pair.Key)
		field, ok := fieldByName(v, name)
		switch {
		case !ok:
			d.fail(positionOf(pair.Key), fmt.Sprintf("unknown field %q in %s", name, named(path)), suggest(name, fieldNames(v.Type())))
		case seen[name]:
			d.fail(positionOf(pair.Key), fmt.Sprintf("field %q stands twice in %s", name, named(path)), "remove one")
		default:
			child := join(path, name)
			d.value(pair.Value, field, child)
			d.positions[child] = positionOf(pair.Value)
		}
		seen[name] = true
	}
}

func (d *decoder) sequence(node ast.Node, v reflect.Value, path string) {
	n, ok := node.(*ast.SequenceNode)
	if !ok {
		d.fail(positionOf(node), fmt.Sprintf("%s is %s, not a list", named(path), kindOf(node)), "start each entry with a dash")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Values), len(n.Values)))
	for i, element := range n.Values {
		d.value(element, v.Index(i), path+"["+strconv.Itoa(i)+"]")
	}
}

func (d *decoder) texts(node ast.Node, v reflect.Value, path string) {
	values, ok := pairs(node)
	if !ok {
		d.fail(positionOf(node), fmt.Sprintf("%s is %s, not names with values", named(path), kindOf(node)), "")
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for _, pair := range values {
		text := reflect.New(v.Type().Elem()).Elem()
		name := keyText(pair.Key)
		if v.MapIndex(reflect.ValueOf(name)).IsValid() {
			d.fail(positionOf(pair.Key), fmt.Sprintf("%q stands twice in %s", name, named(path)), "remove one")
			continue
		}
		d.value(pair.Value, text, join(path, name))
		v.SetMapIndex(reflect.ValueOf(name), text)
	}
}

// scalar decodes one value. Texts may be written without quotes even where YAML would read a number: a version such as 20.20 stays what was written.
func (d *decoder) scalar(node ast.Node, v reflect.Value, path string) {
	at := positionOf(node)
	text, ok := scalarText(node)
	if !ok {
		d.fail(at, fmt.Sprintf("%s is %s, not a single value", named(path), kindOf(node)), "")
		return
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(text)); err != nil {
			d.fail(at, fmt.Sprintf("%s: %v", path, err), "")
		}
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if _, ok := node.(*ast.BoolNode); !ok {
			d.fail(at, fmt.Sprintf("%s: %q is neither true nor false", path, text), "")
			return
		}
		v.SetBool(node.(*ast.BoolNode).Value)
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			d.fail(at, fmt.Sprintf("%s: %q is not a whole number", path, text), "")
			return
		}
		v.SetInt(int64(n))
	case reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			d.fail(at, fmt.Sprintf("%s: %q is not a number", path, text), "")
			return
		}
		v.SetFloat(f)
	default:
		panic("no rule to decode " + v.Type().String())
	}
}

func scalarText(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return strings.TrimSpace(n.GetToken().Value), true
	}
	return "", false
}

func keyText(key ast.MapKeyNode) string {
	if text, ok := scalarText(key); ok {
		return text
	}
	return key.String()
}

func kindOf(node ast.Node) string {
	switch node.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a group of fields"
	case *ast.SequenceNode:
		return "a list"
	}
	return "a single value"
}

func named(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// notInFile marks a field of a topology that the file can not hold.
const notInFile = "-"

func yamlName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return name
}

func fieldByName(v reflect.Value, name string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if yamlName(v.Type().Field(i)) == name && name != notInFile {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func fieldNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		if name := yamlName(t.Field(i)); name != notInFile {
			names = append(names, name)
		}
	}
	return names
}

// suggest names the nearest of the known names, or all of them when none is near.
func suggest(name string, known []string) string {
	best, distance := "", 3
	for _, k := range known {
		if d := editDistance(name, k); d < distance {
			best, distance = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return "its fields are " + strings.Join(known, ", ")
}

// editDistance is Levenshtein's: the fewest single-letter changes from a to b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

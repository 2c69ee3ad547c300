package schemas_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/leeward-failover/leeward/schemas"
)

// declared returns the names in the contracts of every package variable of a generic type, found in the source: what nobody listed is found too.
func declared(t *testing.T, generic string) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, declaredIn(t, file, generic)...)
	}
	slices.Sort(names)
	return names
}

func declaredIn(t *testing.T, file *ast.File, generic string) []string {
	t.Helper()
	var names []string
	ast.Inspect(file, func(n ast.Node) bool {
		literal, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		index, ok := literal.Type.(*ast.IndexExpr)
		if !ok {
			return true
		}
		if id, ok := index.X.(*ast.Ident); ok && id.Name == generic {
			names = append(names, contractName(t, literal))
		}
		return true
	})
	return names
}

func contractName(t *testing.T, literal *ast.CompositeLit) string {
	t.Helper()
	name := ""
	ast.Inspect(literal, func(n ast.Node) bool {
		if pair, ok := n.(*ast.KeyValueExpr); ok && pair.Key.(*ast.Ident).Name == "Name" {
			name, _ = strconv.Unquote(pair.Value.(*ast.BasicLit).Value)
		}
		return name == ""
	})
	if name == "" {
		t.Fatal("a contract has no name that is a literal")
	}
	return name
}

func TestCatalogHoldsEveryTopicOfThePackage(t *testing.T) {
	var listed []string
	for _, c := range schemas.Catalog() {
		listed = append(listed, c.Name)
	}
	slices.Sort(listed)
	if want := declared(t, "Topic"); len(want) == 0 || !slices.Equal(listed, want) {
		t.Errorf("Catalog() lists\n%q, the package declares\n%q", listed, want)
	}
}

func TestBucketsHoldEveryBucketOfThePackage(t *testing.T) {
	var listed []string
	for _, b := range schemas.Buckets() {
		listed = append(listed, b.Name)
	}
	slices.Sort(listed)
	if want := declared(t, "Bucket"); len(want) == 0 || !slices.Equal(listed, want) {
		t.Errorf("Buckets() lists\n%q, the package declares\n%q", listed, want)
	}
}

func TestContractsAreWhole(t *testing.T) {
	name := regexp.MustCompile(`^leeward\.[a-z]+\.[a-z]+\.v[1-9][0-9]*$`)
	durables := map[string]string{}
	for _, c := range schemas.Catalog() {
		if !name.MatchString(c.Name) || c.Stream != schemas.Events || c.Producer == "" || c.Deliver == "" || c.ActWithin <= 0 || c.Doc == "" {
			t.Errorf("%+v lacks something", c)
		}
		for _, reader := range c.Readers {
			durable := c.Durable(reader, "")
			if other, taken := durables[durable]; taken {
				t.Errorf("%s and %s are read through one consumer, %s", c.Name, other, durable)
			}
			durables[durable] = c.Name
		}
	}
	for _, b := range schemas.Buckets() {
		if b.Name == "" || b.Writer == "" || b.Doc == "" {
			t.Errorf("%+v lacks something", b)
		}
	}
}

func TestNoTwoStreamsHoldOneSubject(t *testing.T) {
	streams := schemas.Streams()
	for i, a := range streams {
		for _, b := range streams[i+1:] {
			for _, x := range a.Subjects {
				for _, y := range b.Subjects {
					if overlap(x, y) {
						t.Errorf("%s of %s and %s of %s overlap", x, a.Name, y, b.Name)
					}
				}
			}
		}
	}
}

// Package config reads leeward.yaml strictly: every problem at once, each with file, line, column and a hint. It resolves no secret and talks to nobody.
package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/leeward-failover/leeward/schemas"
)

// Problem is one thing wrong with a file, where it stands and how to mend it.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// String is file:line:column: message (hint).
func (p Problem) String() string {
	s := fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
	if p.Hint != "" {
		s += " (" + p.Hint + ")"
	}
	return s
}

// Problems is every problem of a file, in the order of the file.
type Problems []Problem

// Error is one line per problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// MaxBytes is the largest file that is read.
const MaxBytes = 4 << 20

// Parse reads a topology; the error is Problems when the file is at fault. file is only a name for messages.
func Parse(file string, data []byte) (schemas.Topology, error) {
	d := &decoder{file: file, positions: map[string]position{}}
	t := schemas.Topology{}
	switch {
	case len(data) > MaxBytes:
		d.fail(position{1, 1}, fmt.Sprintf("the file has %d bytes, more than the %d that are read", len(data), MaxBytes), "")
	default:
		d.file = file
		d.parse(data, &t)
	}
	if len(d.problems) == 0 {
		complete(&t)
		v := validator{d: d}
		v.topology(t)
	}
	if len(d.problems) == 0 {
		return t, nil
	}
	slices.SortStableFunc(d.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return schemas.Topology{}, d.problems
}

// Check looks at a topology to which what its apps discover was added; the problems have no places in a file.
func Check(t schemas.Topology) Problems {
	d := &decoder{positions: map[string]position{}}
	validator{d: d, discovered: true}.topology(t)
	return d.problems
}

func (d *decoder) parse(data []byte, t *schemas.Topology) {
	tree, err := parser.ParseBytes(data, 0)
	if err != nil {
		d.syntax(err)
		return
	}
	var docs []ast.Node
	for _, doc := range tree.Docs {
		if doc.Body != nil {
			docs = append(docs, doc.Body)
		}
	}
	switch len(docs) {
	case 0:
		d.fail(position{1, 1}, "the file is empty", "start from examples/leeward.yaml")
	case 1:
		d.root(docs[0], t)
	default:
		d.fail(positionOf(docs[1]), "the file holds a second document", "one file is one topology: remove the line with --- and what follows it")
	}
}

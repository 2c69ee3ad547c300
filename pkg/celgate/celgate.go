// Package celgate checks and decides the gates that users write themselves, in CEL. It is pure: an expression sees the variables it is given, no clock and
// no network, and the same variables always give the same gate.
package celgate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"

	"github.com/leeward-failover/leeward/schemas"
)

// Prefix sets custom gates apart from those that Leeward has of its own.
const Prefix = "custom:"

const (
	// costLimit is what an expression may cost, by CEL's own count: some thousand times what a comparison does, and well below a millisecond.
	costLimit = 10_000
	// maxBytes is how long an expression may be.
	maxBytes = 1000
)

// Problem is one thing wrong with an expression, and where in it.
type Problem struct {
	Line, Column int
	Message      string
}

// Check says what is wrong with an expression: its syntax, its names and types, that it is no condition, that it could cost too much, or that it says the same of every candidate.
func Check(expr string) []Problem {
	env, err := environment()
	if err != nil {
		return []Problem{{1, 1, err.Error()}}
	}
	ast, problems := check(env, expr)
	if len(problems) == 0 {
		problems = constant(env, ast)
	}
	return problems
}

// check returns the checked expression, or what is wrong with it.
func check(env *cel.Env, expr string) (*cel.Ast, []Problem) {
	if len(expr) > maxBytes {
		return nil, []Problem{{1, 1, fmt.Sprintf("the expression has %d bytes, more than %d", len(expr), maxBytes)}}
	}
	ast, issues := env.Compile(expr)
	if errs := issues.Errors(); len(errs) > 0 {
		var problems []Problem
		for _, e := range errs {
			problems = append(problems, Problem{e.Location.Line(), e.Location.Column() + 1, e.Message})
		}
		return nil, problems
	}
	if ast.OutputType() != cel.BoolType {
		return nil, []Problem{{1, 1, fmt.Sprintf("the expression is of type %s, not bool", ast.OutputType())}}
	}
	estimate, err := env.EstimateCost(ast, sizes{})
	if err != nil {
		return nil, []Problem{{1, 1, err.Error()}}
	}
	if estimate.Max > costLimit {
		return nil, []Problem{{1, 1, fmt.Sprintf("the expression could cost more than %d, which is what one may cost", costLimit)}}
	}
	return ast, nil
}

// sizes bounds what the variables hold. leeward.yaml is held to these bounds when it is applied; whatever is larger meets the limit at run time.
type sizes struct{}

// MaxText and MaxLabels are the bounds of texts and of the number of labels.
const (
	MaxText   = 253
	MaxLabels = 32
)

// EstimateSize bounds the variables by their type.
func (sizes) EstimateSize(element cost.AstNode) *cost.SizeEstimate {
	text := &cost.SizeEstimate{Max: MaxText}
	switch {
	case len(element.Path()) == 0:
		return nil
	case element.Type().IsExactType(cel.StringType):
		return text
	case element.Type().IsExactType(labels):
		return &cost.SizeEstimate{Max: MaxLabels, Key: text, Elem: text}
	}
	return nil
}

// EstimateCallCost leaves every function to CEL.
func (sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}

// Set are an app's custom gates, compiled. The zero set is of an app without any.
type Set []compiled

type compiled struct {
	schemas.CustomGate
	program cel.Program
	// uses are the variables that the expression names, in order.
	uses []string
	// broken is why there is no program.
	broken string
}

// Compile makes ready to judge. A gate that is broken is unknown for every candidate, and says why.
func Compile(custom []schemas.CustomGate) Set {
	if len(custom) == 0 {
		return nil
	}
	env, err := environment()
	set := make(Set, len(custom))
	for i, c := range custom {
		set[i].CustomGate = c
		if err != nil {
			set[i].broken = err.Error()
			continue
		}
		set[i].compile(env)
	}
	return set
}

func (c *compiled) compile(env *cel.Env) {
	ast, problems := check(env, c.Expr)
	if len(problems) > 0 {
		c.broken = problems[0].Message
		return
	}
	program, err := env.Program(ast, cel.CostLimit(costLimit), cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		c.broken = err.Error()
		return
	}
	c.program = program
	used := map[string]bool{}
	for _, r := range ast.NativeRep().ReferenceMap() {
		if _, ok := variables[r.Name]; ok {
			used[r.Name] = true
		}
	}
	c.uses = slices.Sorted(maps.Keys(used))
}

// Judge decides every gate of the set.
func (s Set) Judge(v Variables) []schemas.Gate {
	if len(s) == 0 {
		return nil
	}
	values := v.values()
	gates := make([]schemas.Gate, len(s))
	for i, c := range s {
		gates[i] = c.judge(v, values)
		gates[i].Name = Prefix + c.Name
	}
	return gates
}

func (c compiled) judge(v Variables, values map[string]any) schemas.Gate {
	unknown := func(format string, args ...any) schemas.Gate {
		return schemas.Gate{Result: schemas.Unknown, Evidence: fmt.Sprintf(format, args...)}
	}
	if c.program == nil {
		return unknown("%s can not be decided: %s", c.Expr, c.broken)
	}
	if !v.Candidate.Enough && slices.ContainsFunc(c.uses, estimated) {
		return unknown("%s can not be decided: the cost is not known well enough", c.Expr)
	}
	result, _, err := c.program.Eval(values)
	if err != nil {
		return unknown("%s can not be decided%s: %v", c.Expr, after(c.given(values)), err)
	}
	given := c.given(values)
	g := schemas.Gate{Result: schemas.Fail, Evidence: fmt.Sprintf("%s does not hold%s", c.Expr, after(given))}
	if result.Value() == true {
		g = schemas.Gate{Result: schemas.Pass, Evidence: fmt.Sprintf("%s holds%s", c.Expr, after(given))}
	}
	g.Value, g.Threshold = given, c.Expr
	if c.Why != "" && g.Result == schemas.Fail {
		g.Evidence += "; " + c.Why
	}
	return g
}

// given are the variables that the expression names with their values.
func (c compiled) given(values map[string]any) string {
	var parts []string
	for _, name := range c.uses {
		parts = append(parts, fmt.Sprintf("%s is %s", name, shown(values[name])))
	}
	return strings.Join(parts, ", ")
}

// after sets what an expression was given apart from what is said before it.
func after(given string) string {
	if given == "" {
		return ""
	}
	return ": " + given
}

package celgate

import (
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
)

// constant finds an expression that does not depend on any variable: as long as all of them are unknown, nothing is known of a condition either. A gate that is
// stored already is judged as it always was.
func constant(env *cel.Env, ast *cel.Ast) []Problem {
	program, err := env.Program(ast, cel.CostLimit(costLimit), cel.EvalOptions(cel.OptPartialEval))
	if err != nil {
		return []Problem{{1, 1, err.Error()}}
	}
	var patterns []*cel.AttributePatternType
	for _, name := range Names() {
		patterns = append(patterns, cel.AttributePattern(name))
	}
	nothing, err := cel.PartialVars(map[string]any{}, patterns...)
	if err != nil {
		return []Problem{{1, 1, err.Error()}}
	}
	switch result, _, err := program.Eval(nothing); {
	case err != nil:
		return []Problem{{1, 1, fmt.Sprintf("it can not be decided for any candidate: %v", err)}}
	case types.IsUnknown(result):
		return nil
	default:
		return []Problem{{1, 1, fmt.Sprintf("it is %v for every candidate: compare a variable with something, or leave the gate out", result)}}
	}
}

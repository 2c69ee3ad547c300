package celgate

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"cel.dev/cel-go/cel"

	"github.com/leeward-failover/leeward/schemas"
)

// Variables are what an expression may look at.
type Variables struct {
	Candidate schemas.RankedCandidate
	// Region is the candidate's, Active the one where traffic is.
	Region, Active schemas.Region
}

// labels is the type of a region's labels.
var labels = cel.MapType(cel.StringType, cel.StringType)

// variables are the names that an expression may use, with their types. CEL reads a name with dots as one variable, so that a name that is not here is
// found when the file is applied.
var variables = map[string]*cel.Type{
	"candidate.region": cel.StringType, "candidate.variant": cel.StringType, "candidate.rank": cel.IntType, "candidate.running": cel.BoolType,
	"candidate.cost_ms": cel.DoubleType, "candidate.low_ms": cel.DoubleType, "candidate.high_ms": cel.DoubleType,
	"candidate.samples": cel.IntType, "candidate.failures": cel.IntType,
	"region.name": cel.StringType, "region.jurisdiction": cel.StringType, "region.latitude": cel.DoubleType, "region.longitude": cel.DoubleType, "region.labels": labels,
	"active.name": cel.StringType, "active.jurisdiction": cel.StringType, "active.latitude": cel.DoubleType, "active.longitude": cel.DoubleType, "active.labels": labels,
}

// Names lists the variables, for messages.
func Names() []string { return slices.Sorted(maps.Keys(variables)) }

// estimated says whether a variable means nothing before there are enough samples.
func estimated(name string) bool {
	return name == "candidate.cost_ms" || name == "candidate.low_ms" || name == "candidate.high_ms" || name == "candidate.rank"
}

func environment() (*cel.Env, error) {
	// So that a cost may be compared with 200 as well as with 200.0.
	options := []cel.EnvOption{cel.CrossTypeNumericComparisons(true), cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals())}
	for _, name := range Names() {
		options = append(options, cel.Variable(name, variables[name]))
	}
	return cel.NewEnv(options...)
}

func (v Variables) values() map[string]any {
	c := v.Candidate
	values := map[string]any{
		"candidate.region": c.Region, "candidate.variant": c.Variant, "candidate.rank": c.Rank, "candidate.running": c.Running,
		"candidate.cost_ms": c.CostMS, "candidate.low_ms": c.LowMS, "candidate.high_ms": c.HighMS,
		"candidate.samples": int64(c.Samples), "candidate.failures": int64(c.Failures),
	}
	for name, r := range map[string]schemas.Region{"region": v.Region, "active": v.Active} {
		values[name+".name"], values[name+".jurisdiction"] = r.Name, r.Jurisdiction
		values[name+".latitude"], values[name+".longitude"] = r.Location.Latitude, r.Location.Longitude
		values[name+".labels"] = newLabels(r.Labels)
	}
	return values
}

// shown is a variable's value as evidence has it.
func shown(value any) string {
	switch v := value.(type) {
	case string:
		return strconv.Quote(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case labelMap:
		return v.String()
	}
	return fmt.Sprint(value)
}

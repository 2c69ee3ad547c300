package discover

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// Target is something that was found, and where in the answer it stands.
type Target struct {
	// Address is host:port, or what else the entry's endpoint makes an address of.
	Address string
	Labels  map[string]string
	Place   string
}

// Answer is what a look at an entry of discover brought.
type Answer struct {
	Targets []Target
	// Refused are the parts of it that name nothing, each with its place and why.
	Refused []string
}

// maxTargets is how many targets an answer may name. Of a candidate one is measured; who needs more has named the wrong thing.
const maxTargets = 10_000

// group is a group of targets as Prometheus reads it from files and web services.
type group struct {
	Targets []json.RawMessage `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// fromYAML reads groups of targets. What a parser says of a file is not repeated: it quotes the file, which may be another than was meant.
func fromYAML(data []byte) (Answer, error) {
	// Aliases of aliases make gigabytes of a few lines.
	for _, t := range lexer.Tokenize(string(data)) {
		if t.Type == token.AliasType {
			return Answer{}, fmt.Errorf("line %d, column %d: aliases are not allowed", t.Position.Line, t.Position.Column)
		}
	}
	asJSON, err := yaml.YAMLToJSON(data)
	var syntax yaml.Error
	if errors.As(err, &syntax) && syntax.GetToken() != nil {
		at := syntax.GetToken().Position
		return Answer{}, fmt.Errorf("line %d, column %d: not YAML", at.Line, at.Column)
	}
	if err != nil {
		return Answer{}, errors.New("not YAML")
	}
	return fromJSON(asJSON)
}

// fromJSON reads groups of targets. A group or a target that can not be read does not spoil the others.
func fromJSON(data []byte) (a Answer, err error) {
	var groups []json.RawMessage
	if err := json.Unmarshal(data, &groups); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return a, fmt.Errorf("line %d: not JSON", 1+strings.Count(string(data[:min(int(syntax.Offset), len(data))]), "\n"))
		}
		return a, errors.New(`not a list of groups such as [{"targets": ["10.0.0.1:80"], "labels": {"leeward_region": "tokyo"}}]`)
	}
	for i, raw := range groups {
		place := fmt.Sprintf("[%d]", i)
		var g group
		if json.Unmarshal(raw, &g) != nil {
			a.refuse(place, `not a group of targets, with texts as labels`)
			continue
		}
		for j, raw := range g.Targets {
			place := fmt.Sprintf("%s.targets[%d]", place, j)
			var address string
			if json.Unmarshal(raw, &address) != nil {
				a.refuse(place, "not a text")
				continue
			}
			a.Targets = append(a.Targets, Target{address, g.Labels, place})
		}
	}
	if len(a.Targets) > maxTargets {
		return Answer{}, fmt.Errorf("%d targets are more than the %d that are read", len(a.Targets), maxTargets)
	}
	return a, nil
}

func (a *Answer) refuse(place, why string) {
	a.Refused = append(a.Refused, place+": "+why)
}

// Package query reads the PromQL and SQL of the rules and dashboards in deploy/, so that tests can hold them to what there is.
package query

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/prometheus/promql/parser"
)

// Query is one query and where it stands.
type Query struct {
	// Where names the file and the rule or panel, for messages.
	Where string
	Text  string
}

// Rule is one rule of Prometheus.
type Rule struct {
	File        string            `yaml:"-"`
	Alert       string            `yaml:"alert"`
	Record      string            `yaml:"record"`
	Expr        string            `yaml:"expr"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// Rules reads the rule files of deploy/.
func Rules(deploy string) ([]Rule, error) {
	files, err := filepath.Glob(filepath.Join(deploy, "prometheus", "rules", "*.yml"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no rules below %s: %w", deploy, errors.Join(err))
	}
	var all []Rule
	for _, file := range files {
		var f struct {
			Groups []struct {
				Rules []Rule `yaml:"rules"`
			} `yaml:"groups"`
		}
		if err := readYAML(file, &f); err != nil {
			return nil, err
		}
		for _, g := range f.Groups {
			for _, r := range g.Rules {
				r.File = filepath.Base(file)
				all = append(all, r)
			}
		}
	}
	return all, nil
}

// Dashboard is one dashboard of Grafana, as far as tests look at it.
type Dashboard struct {
	File          string  `json:"-"`
	UID           string  `json:"uid"`
	Title         string  `json:"title"`
	Description   string  `json:"description"`
	SchemaVersion int     `json:"schemaVersion"`
	Panels        []Panel `json:"panels"`
	Templating    struct {
		List []Variable `json:"list"`
	} `json:"templating"`
}

// Variable is a variable that a dashboard's user chooses.
type Variable struct {
	Name       string          `json:"name"`
	Type       string          `json:"type"`
	Datasource Datasource      `json:"datasource"`
	Definition string          `json:"definition"`
	Query      json.RawMessage `json:"query"`
}

// Panel is one panel.
type Panel struct {
	ID          int        `json:"id"`
	Type        string     `json:"type"`
	Title       string     `json:"title"`
	Description string     `json:"description"`
	Datasource  Datasource `json:"datasource"`
	GridPos     struct {
		X, Y, W, H int
	} `json:"gridPos"`
	FieldConfig struct {
		Defaults struct {
			Unit string `json:"unit"`
		} `json:"defaults"`
	} `json:"fieldConfig"`
	Targets []Target `json:"targets"`
}

// Datasource says who answers a query.
type Datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

// Target is one query of a panel: Expr for Prometheus, SQL for ClickHouse.
type Target struct {
	RefID      string     `json:"refId"`
	Datasource Datasource `json:"datasource"`
	Expr       string     `json:"expr"`
	SQL        string     `json:"rawSql"`
}

// Dashboards reads the dashboards of deploy/.
func Dashboards(deploy string) ([]Dashboard, error) {
	files, err := filepath.Glob(filepath.Join(deploy, "grafana", "dashboards", "*.json"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no dashboards below %s: %w", deploy, errors.Join(err))
	}
	var all []Dashboard
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		d := Dashboard{File: filepath.Base(file)}
		if err := json.Unmarshal(text, &d); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all = append(all, d)
	}
	return all, nil
}

// PromQL lists every expression of the rules and dashboards of deploy/, variables of dashboards replaced.
func PromQL(deploy string) ([]Query, error) {
	rules, err := Rules(deploy)
	if err != nil {
		return nil, err
	}
	dashboards, err := Dashboards(deploy)
	if err != nil {
		return nil, err
	}
	var all []Query
	for _, r := range rules {
		all = append(all, Query{r.File + ": " + r.Alert + r.Record, r.Expr})
	}
	for _, d := range dashboards {
		for _, p := range d.Panels {
			for _, t := range p.Targets {
				if t.Expr != "" {
					all = append(all, Query{d.File + ": " + p.Title, promMacros.Replace(t.Expr)})
				}
			}
		}
		for _, v := range d.Templating.List {
			if v.Type == "query" && v.Datasource.Type == "prometheus" {
				all = append(all, Query{d.File + ": variable " + v.Name, seriesOf(v.Definition)})
			}
		}
	}
	return all, nil
}

// Selector is a metric that an expression names, with the labels it expects of it.
type Selector struct {
	Metric string
	Labels []string
}

// Selectors lists what an expression reads: every metric, with the labels that it is selected or grouped by.
func Selectors(expr string) ([]Selector, error) {
	tree, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		return nil, err
	}
	var all []Selector
	parser.Inspect(tree, func(node parser.Node, path []parser.Node) error {
		v, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		s := Selector{Metric: v.Name}
		for _, m := range v.LabelMatchers {
			if m.Name != "__name__" {
				s.Labels = append(s.Labels, m.Name)
			}
		}
		// A label that a function adds on the way is not the metric's.
		for _, above := range slices.Backward(path) {
			if call, ok := above.(*parser.Call); ok && call.Func.Name == "label_replace" {
				break
			}
			if a, ok := above.(*parser.AggregateExpr); ok && !a.Without {
				s.Labels = append(s.Labels, a.Grouping...)
			}
		}
		all = append(all, s)
		return nil
	})
	return all, nil
}

func readYAML(file string, into any) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

package query

import (
	"regexp"
	"strings"
)

// promMacros stand for what Grafana puts into an expression.
var promMacros = strings.NewReplacer("$__rate_interval", "1m", "$__interval", "1m", "$__range", "1h", "$app", "shop")

// seriesOf is what label_values(series, label), Grafana's own function, reads.
func seriesOf(definition string) string {
	inner, found := strings.CutPrefix(definition, "label_values(")
	if !found {
		return definition
	}
	return strings.TrimSuffix(inner[:max(strings.LastIndex(inner, ","), 0)], ")")
}

var sqlMacros = []struct {
	macro *regexp.Regexp
	sql   string
}{
	{regexp.MustCompile(`\$__timeFilter\(([^)]*)\)`), "$1 >= now() - INTERVAL 1 HOUR AND $1 <= now()"},
	{regexp.MustCompile(`\$__timeInterval\(([^)]*)\)`), "toStartOfInterval(toDateTime($1), INTERVAL 60 SECOND)"},
	{regexp.MustCompile(`\$\{app\}|\$app`), "shop"},
}

// SQL is a query with Grafana's macros replaced as its ClickHouse data source does.
func SQL(text string) string {
	for _, m := range sqlMacros {
		text = m.macro.ReplaceAllString(text, m.sql)
	}
	return text
}

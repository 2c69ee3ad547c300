package hook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// longestLabel is how many bytes a label's value may have. What is longer is prose, and an annotation.
const longestLabel = 256

// report is the body of a tool that sends one alert per call: its keys, most of which its users chose, and what stands in them.
type report map[string]string

// reported stores the alert that a tool's reports are read as.
func (h Hooks) reported(read func(report) (schemas.AlertReceived, error)) func(context.Context, call) error {
	return func(ctx context.Context, c call) error {
		r, err := readReport(c.body)
		if err != nil {
			return malformed{err}
		}
		event, err := read(r)
		if err != nil {
			return malformed{err}
		}
		topology, err := h.Topology()
		if err != nil {
			return err
		}
		if event.StartsAt.IsZero() {
			event.StartsAt = c.at
		}
		return h.alerted(ctx, c, topology, event)
	}
}

// readReport reads a JSON object. A key's value is a text; an object's keys stand behind its own and a dot, and what is nested deeper is left out.
// Several values of a key are one in alphabetical order with commas between, so that which of them is meant is not guessed.
func readReport(body []byte) (report, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	// Ids are numbers larger than a float holds.
	d.UseNumber()
	var object map[string]any
	err := d.Decode(&object)
	if _, end := d.Token(); err == nil && !errors.Is(end, io.EOF) {
		err = errors.New("there is more behind it")
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		err = fmt.Errorf("byte %d: %w", syntax.Offset, err)
	}
	if err != nil {
		return nil, fmt.Errorf("the body is not a JSON object: %w; look at the quotes and commas of its template, and have it sent as JSON, not as a form", err)
	}
	values := map[string][]string{}
	for name, v := range object {
		collect(values, name, v, 1)
	}
	r := report{}
	for name, texts := range values {
		r[name] = several(texts)
	}
	return r, nil
}

// collect adds the texts of a value under its name, and those of objects in it down to a depth.
func collect(values map[string][]string, name string, v any, depth int) {
	switch v := v.(type) {
	case string:
		if v != "" {
			values[name] = append(values[name], v)
		}
	case json.Number:
		values[name] = append(values[name], v.String())
	case bool:
		values[name] = append(values[name], strconv.FormatBool(v))
	case []any:
		for _, e := range v {
			collect(values, name, e, depth)
		}
	case map[string]any:
		// A long name before each of many keys would be far more than the body.
		if depth == 0 || len(name) > longestLabel {
			return
		}
		for k, e := range v {
			collect(values, name+"."+k, e, depth-1)
		}
	}
}

// several is one text of several.
func several(texts []string) string {
	slices.Sort(texts)
	return strings.Join(slices.Compact(texts), ",")
}

// key is one that a report must have, with what to do where it lacks.
type key struct{ name, fix string }

// need refuses a report that lacks keys, or whose template names what the tool does not know: without an id of its own one alert would be taken for another.
func (r report) need(keys ...key) error {
	var problems []error
	for _, k := range keys {
		switch v := r[k.name]; {
		case v == "":
			problems = append(problems, fmt.Errorf("%q is missing or empty: %s", k.name, k.fix))
		case strings.HasPrefix(v, "$") || strings.HasPrefix(v, "{"):
			problems = append(problems, fmt.Errorf("%q is %.60q, which was not filled in: %s", k.name, v, k.fix))
		case len(v) > longestLabel:
			problems = append(problems, fmt.Errorf("%q has %d bytes, more than %d: %s", k.name, len(v), longestLabel, k.fix))
		}
	}
	return errors.Join(problems...)
}

// status is what the state under a key says of the alert.
func (r report) status(name string, fires, resolves []string) (string, error) {
	is := func(state string) bool { return strings.EqualFold(state, r[name]) }
	switch {
	case slices.ContainsFunc(fires, is):
		return firing, nil
	case slices.ContainsFunc(resolves, is):
		return resolved, nil
	}
	return "", fmt.Errorf("%q is %q, but an alert fires with %s, and is resolved with %s", name, r[name], strings.Join(fires, ", "), strings.Join(resolves, ", "))
}

// unit is what reports count times in.
type unit struct {
	name  string
	since func(int64) time.Time
}

var (
	seconds      = unit{"seconds", func(n int64) time.Time { return time.Unix(n, 0) }}
	milliseconds = unit{"milliseconds", time.UnixMilli}
)

// time reads the time under a key, zero where a report leaves it out. Years that nobody monitored in are times in another unit.
func (r report) time(name string, unit unit) (time.Time, error) {
	if r[name] == "" {
		return time.Time{}, nil
	}
	n, err := strconv.ParseInt(r[name], 10, 64)
	if t := unit.since(n).UTC(); err == nil && t.Year() >= 2000 && t.Year() <= 2200 {
		return t, nil
	}
	return time.Time{}, fmt.Errorf("%q is %.60q, which is no time in whole %s since 1970", name, r[name], unit.name)
}

// labels are what alerts.match can match on: the report's keys, and its tags, which stand in comma-separated lists under some keys. A key outranks a tag, and a list those behind it.
func (r report) labels(lists ...string) (labels, annotations map[string]string) {
	labels, annotations = map[string]string{}, map[string]string{}
	for name, text := range r {
		if len(text) > longestLabel {
			annotations[name] = text
		} else {
			labels[name] = text
		}
	}
	for _, list := range lists {
		for name, texts := range tags(r[list]) {
			if labels[name] == "" {
				labels[name] = several(texts)
			}
		}
	}
	return labels, annotations
}

// tags are the values of each tag of a list, such as "region:frankfurt, production". A plain tag has the value true.
func tags(list string) map[string][]string {
	values := map[string][]string{}
	for tag := range strings.SplitSeq(list, ",") {
		name, value, paired := strings.Cut(strings.TrimSpace(tag), ":")
		if !paired {
			value = "true"
		}
		if name != "" && value != "" {
			values[name] = append(values[name], value)
		}
	}
	return values
}

package table

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/schemas"
)

// Events collects the table events, a row per event of any type, and what some types say in more detail: builds with their stages, decisions, drills.
type Events struct {
	rows      []eventRow
	builds    []buildRow
	decisions []decisionRow
	drills    []drillRow
}

type eventRow struct {
	bus.Message
	app string
}

// Add adds an event as it is, known or not, as long as it is JSON, and its detail when it can be read.
func (t *Events) Add(m bus.Message) (rows int, err error) {
	if !json.Valid(m.Data) {
		return 0, errors.New("the payload is not JSON")
	}
	t.rows = append(t.rows, eventRow{m, appOf(m.Data)})
	detail, err := t.addDetail(m)
	return 1 + detail, err
}

func (t *Events) addDetail(m bus.Message) (rows int, err error) {
	switch topicOf(m.Subject) {
	case schemas.BuildFinishedTopic.Contract().Name:
		return t.addBuild(m)
	case schemas.FailoverPlannedTopic.Contract().Name:
		return t.addDecision(m)
	case schemas.DrillFinishedTopic.Contract().Name:
		return t.addDrill(m)
	}
	return 0, nil
}

// topicOf is the subject without its identifier tokens.
func topicOf(subject string) string {
	tokens := strings.SplitN(subject, ".", 5)
	return strings.Join(tokens[:min(4, len(tokens))], ".")
}

// appOf finds the app an event is about without knowing its type: a field app, or one of its plan.
func appOf(data []byte) string {
	var e struct {
		App  json.RawMessage `json:"app"`
		Plan json.RawMessage `json:"plan"`
	}
	var app string
	if json.Unmarshal(data, &e) != nil || json.Unmarshal(e.App, &app) == nil {
		return app
	}
	var plan struct {
		App string `json:"app"`
	}
	_ = json.Unmarshal(e.Plan, &plan)
	return plan.App
}

// Tables returns what the block adds.
func (t *Events) Tables() []Rows {
	rows := t.rows
	return []Rows{{Table: "events", Count: len(rows), Columns: []clickhouse.Column{
		column("stored", rows, func(r eventRow) time.Time { return r.Stored }),
		column("type", rows, func(r eventRow) string { return topicOf(r.Subject) }),
		column("subject", rows, func(r eventRow) string { return r.Subject }),
		column("id", rows, func(r eventRow) string {
			return cmp.Or(r.Header.Get("ce-id"), r.Header.Get("Nats-Msg-Id"), fmt.Sprintf("%s:%d", r.Stream, r.Sequence))
		}),
		column("source", rows, func(r eventRow) string { return r.Header.Get("ce-source") }),
		column("trace_id", rows, func(r eventRow) string { return traceID(r.Header.Get("traceparent")) }),
		column("app", rows, func(r eventRow) string { return r.app }),
		column("payload", rows, func(r eventRow) string { return string(r.Data) }),
		column("stream_sequence", rows, func(r eventRow) uint64 { return r.Sequence }),
	}}, buildTable(t.builds), stageTable(t.builds), decisionTable(t.decisions), drillTable(t.drills)}
}

// traceID is the second field of a traceparent.
func traceID(traceparent string) string {
	fields := strings.Split(traceparent, "-")
	if len(fields) < 4 || len(fields[1]) != 32 {
		return ""
	}
	return fields[1]
}

// Reset empties the tables.
func (t *Events) Reset() { *t = Events{} }

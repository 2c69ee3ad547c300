package gateway_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/pkg/processtest"
	"github.com/leeward-failover/leeward/schemas"
)

// letterOf stores a message of a stream as one that a service could not read.
func letterOf(t *testing.T, reader *bus.Bus, stream, subject string, sequence uint64, data []byte, stored time.Time, reason string) {
	t.Helper()
	m := bus.Message{Stream: stream, Sequence: sequence, Subject: subject, Data: data, Stored: stored, Header: map[string][]string{"ce-source": {"leeward/builder"}}}
	if err := reader.Reject(t.Context(), m, errors.New(reason)); err != nil {
		t.Fatal(err)
	}
}

func TestLettersAreListedShownReplayedAndDropped(t *testing.T) {
	s := bustest.Start(t, "tokyo")
	var log processtest.Output
	g := startLogging(t, s, &log, nil)
	if out, err := g.shows("dlq", "list"); err != nil || !strings.Contains(out, "every message could be read") {
		t.Errorf("with none: %v: %s", err, out)
	}
	recorder := s.Connect(schemas.Recorder, "")
	batch := schemas.SampleBatch{Vantage: "tokyo", Boot: 7, Counter: 1}
	batch.Append(schemas.Sample{App: "shop", Region: "london", Variant: "slim", Kind: schemas.KindTCP, Outcome: schemas.OK, DueUS: 1})
	whole := encoded(t, batch)
	samples, finished := schemas.SampleSubject("tokyo"), "leeward.build.finished.v1.shop.slim"
	letterOf(t, recorder, schemas.Samples, samples, 1, whole, time.Now(), "a newer form")
	letterOf(t, recorder, schemas.Samples, samples, 2, append(bytes.Clone(whole), 0xff), time.Now(), "broken")
	letterOf(t, recorder, schemas.Evaluations, schemas.EvaluationSubject("shop"), 1, bytes.Repeat([]byte{0xff, 0x1b}, 300), time.Now(), "broken")
	letterOf(t, s.Connect(schemas.Prober, "tokyo"), schemas.Events, finished, 1, []byte(`{"app":"shop","big":12345678901234567890}`), time.Now().Add(-48*time.Hour), "no such\x1b[2J outcome")
	letterOf(t, recorder, schemas.Events, "$KV.routes.shop", 2, []byte("{no JSON"), time.Now(), "x")

	for name, c := range map[string]struct {
		args []string
		want []string
		not  []string
	}{
		"all":            {[]string{"list"}, []string{finished, "prober-tokyo", "a newer form", "no such\uFFFD[2J outcome"}, []string{"\x1b"}},
		"of a stream":    {[]string{"list", "--stream", "samples"}, []string{"a newer form", "broken"}, []string{finished}},
		"of a user":      {[]string{"list", "--user", "prober-tokyo"}, []string{finished}, []string{"recorder"}},
		"of nobody":      {[]string{"list", "--user", "nobody"}, []string{"there is no such letter"}, []string{"every message"}},
		"the newest":     {[]string{"list", "--limit", "1"}, []string{"$KV.routes.shop"}, []string{finished}},
		"a whole batch":  {[]string{"show", "1"}, []string{"1 samples, which can be read now", "vantage          tokyo", "column 14        1 values", "SAMPLES 1", "ce-source      leeward/builder"}, []string{"decode error"}},
		"a broken batch": {[]string{"show", "2"}, []string{"decode error   " + samples, "vantage          tokyo", "00000000  0a 05 74 6f 6b 79 6f"}, nil},
		"no protobuf":    {[]string{"show", "3"}, []string{"00000000  ff 1b", "… and 88 bytes more"}, []string{"\x1b"}},
		"JSON":           {[]string{"show", "4"}, []string{"  \"big\": 12345678901234567890\n", "no such\uFFFD[2J outcome"}, []string{"\x1b", "00000000"}},
		"no JSON":        {[]string{"show", "5"}, []string{"decode error   invalid character 'n'", "7b 6e 6f"}, nil},
	} {
		out, err := g.shows(append([]string{"dlq"}, c.args...)...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: %q is not in\n%s", name, want, out)
			}
		}
		for _, not := range c.not {
			if strings.Contains(out, not) {
				t.Errorf("%s: %q is in\n%q", name, not, out)
			}
		}
	}
	var listed []struct{ Sequence uint64 }
	if out, err := g.shows("dlq", "list", "-o", "json"); err != nil || json.Unmarshal([]byte(out), &listed) != nil || len(listed) != 5 || listed[0].Sequence != 5 {
		t.Errorf("as JSON: %v: %s", err, out)
	}

	out, err := g.shows("dlq", "replay", "1", "4", "--reason", "the recorder is upgraded")
	if err != nil || !strings.Contains(out, "letter 1 is back in SAMPLES on "+samples+"\n") || !strings.Contains(out, "letter 4 is back in EVENTS on "+finished+"; it is too old to be acted on") {
		t.Errorf("replay: %v: %s", err, out)
	}
	for stream, want := range map[string]string{schemas.Samples: string(whole), schemas.Events: `{"app":"shop","big":12345678901234567890}`} {
		err := recorder.Tail(t.Context(), stream, 1, nil, func(m bus.Message) error {
			if string(m.Data) != want || m.Header.Get("ce-source") != "leeward/builder" || m.Header.Get("Leeward-Replayed") == "" {
				t.Errorf("%s holds %+v", stream, m)
			}
			return errEnd
		})
		if !errors.Is(err, errEnd) {
			t.Error(err)
		}
	}
	if out, err := g.shows("dlq", "drop", "2", "3", "--reason", "a test's"); err != nil || !strings.Contains(out, "letter 3 is dropped") {
		t.Errorf("drop: %v: %s", err, out)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"replayed before":  {[]string{"replay", "1"}, "there is no letter 1: it was replayed, dropped"},
		"dropped before":   {[]string{"show", "2"}, "there is no letter 2"},
		"never there":      {[]string{"drop", "99", "--reason", "x"}, "there is no letter 99"},
		"no way back":      {[]string{"replay", "5"}, `takes nothing on the subject "$KV.routes.shop"`},
		"no reason":        {[]string{"drop", "5"}, `required flag(s) "reason"`},
		"an empty reason":  {[]string{"drop", "5", "--reason", ""}, "reason"},
		"no number":        {[]string{"show", "last"}, `"last" is no letter`},
		"one is no number": {[]string{"drop", "5", "x", "--reason", "x"}, `"x" is no letter`},
		"no such stream":   {[]string{"list", "--stream", "DLQ"}, "query.stream"},
		"no such limit":    {[]string{"list", "--limit", "0"}, "query.limit"},
		"another format":   {[]string{"list", "-o", "xml"}, "the formats are table and json"},
	} {
		if out, err := g.shows(append([]string{"dlq"}, c.args...)...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q: %s", name, err, c.want, out)
		}
	}
	for name, r := range map[string]reply{
		"replay": g.call(http.MethodPost, "/v1/dlq/5/replay", map[string]string{"Content-Type": "application/json"}, []byte(`{"actor":"x"}`)),
		"drop":   g.call(http.MethodDelete, "/v1/dlq/5?actor=x&reason=x", map[string]string{"Authorization": "Bearer wrong"}, nil),
	} {
		if r.problem(t); r.status != http.StatusUnauthorized {
			t.Errorf("%s without the token = %d, want 401", name, r.status)
		}
	}
	if r := g.call(http.MethodGet, "/v1/dlq/first", nil, nil); r.status != http.StatusUnprocessableEntity || r.problem(t).Errors[0].Location != "path.sequence" {
		t.Errorf("no number = %d %s", r.status, r.body)
	}
	if out, err := g.shows("dlq", "list"); err != nil || strings.Count(out, "recorder") != 1 {
		t.Errorf("left: %v: %s", err, out)
	}
	_ = g.stop()
	for _, want := range []string{`"letter dropped"`, `"reason":"a test's"`, `"rejected_because":"broken"`, `"letter replayed"`, `"reason":"the recorder is upgraded"`, `"actor":"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%s is not in the log:\n%s", want, log.String())
		}
	}
}

package gateway_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway"
)

// leeward runs a command of the gateway's part of the CLI as the user of its instance and returns what it printed.
func (g instance) leeward(args ...string) (string, error) {
	return g.leewardOf(strings.NewReader(""), args...)
}

// leewardOf is leeward with something on its standard input.
func (g instance) leewardOf(stdin io.Reader, args ...string) (string, error) {
	var out strings.Builder
	g.t.Setenv("API_TOKEN", "t0ken")
	for _, cmd := range gateway.Commands() {
		if cmd.Name() != args[0] {
			continue
		}
		cmd.SetArgs(append(args[1:], "--api", g.url, "--token", "env:API_TOKEN"))
		cmd.SetIn(stdin)
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		cmd.SilenceUsage = true
		err := cmd.Execute()
		return out.String(), err
	}
	g.t.Fatalf("there is no command %s", args[0])
	return "", nil
}

const k6Lines = `{"type":"Metric","data":{"name":"http_reqs","type":"counter"},"metric":"http_reqs"}
{"metric":"http_req_duration","type":"Point","data":{"time":"2026-11-21T04:00:00.5Z","value":40,"tags":{"status":"200"}}}
{"metric":"http_req_blocked","type":"Point","data":{"time":"2026-11-21T04:00:00.5Z","value":20,"tags":{"status":"200"}}}
{"metric":"http_req_duration","type":"Point","data":{"time":"2026-11-21T04:00:01Z","value":30,"tags":{"status":"503"}}}
{"metric":"http_req_failed","type":"Point","data":{"time":"2026-11-21T04:00:01Z","value":1,"tags":{"status":"503"}}}
`

func TestImportedResultsAreStoredAsSamplesOfTheirOwnKind(t *testing.T) {
	server := bustest.Start(t)
	g := start(t, server, nil)
	g.apply(topology("http://127.0.0.1:9"))
	file := filepath.Join(t.TempDir(), "results.json")
	if err := os.WriteFile(file, []byte(k6Lines), 0o600); err != nil {
		t.Fatal(err)
	}
	recorder := server.Connect(schemas.Recorder, "")
	stored := func() uint64 {
		state, err := recorder.State(t.Context(), schemas.Imports)
		if err != nil {
			t.Fatal(err)
		}
		return state.Messages
	}
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"no region":       {[]string{"import", "k6", "shop", file}, "--region and --variant"},
		"unknown region":  {[]string{"import", "k6", "shop", file, "--region", "mars", "--variant", "slim"}, "no endpoint of variant slim in region mars"},
		"unknown app":     {[]string{"import", "k6", "blog", file, "--region", "r0", "--variant", "slim"}, "no app named blog"},
		"unknown origin":  {[]string{"import", "k6", "shop", file, "--region", "r0", "--variant", "slim", "--from", "mars"}, "mars, which is no region"},
		"not that format": {[]string{"import", "jmeter", "shop", file, "--region", "r0", "--variant", "slim"}, "import it as k6"},
		"no such file":    {[]string{"import", "k6", "shop", file + "x"}, "no such file"},
	} {
		if _, err := g.leeward(test.args...); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, test.want)
		}
	}
	if n := stored(); n != 0 {
		t.Fatalf("%d batches are stored after refused imports, want none", n)
	}
	for range 2 { // the second is the same one again
		if _, err := g.leeward("import", "k6", "shop", file, "--region", "r0", "--variant", "slim", "--from", "r1"); err != nil {
			t.Fatal(err)
		}
	}
	// Once more, from standard input and known by its content.
	if out, err := g.leewardOf(strings.NewReader(k6Lines), "import", "shop", "-", "--region", "r0", "--variant", "slim", "--from", "r1"); err != nil || !strings.Contains(out, "2 samples of kind bench imported") {
		t.Errorf("from standard input: %v: %s", err, out)
	}
	if n := stored(); n != 1 {
		t.Errorf("%d batches are stored, want 1 for three imports of the same results", n)
	}
	err := recorder.Tail(t.Context(), schemas.Imports, 1, nil, func(m bus.Message) error {
		batch, err := schemas.DecodeSampleBatch(m.Subject, m.Data)
		if err != nil {
			return err
		}
		s := batch.At(0)
		if began := time.Date(2026, 11, 21, 4, 0, 0, 440_000_000, time.UTC); s.Kind != schemas.KindBench || s.Outcome != schemas.OK || s.LatencyUS != 60_000 || s.DueUS != began.UnixMicro() {
			t.Errorf("first sample %+v, want 60 ms from %s", s, began)
		}
		if s := batch.At(1); s.Outcome != schemas.BadStatus || s.Status != 503 {
			t.Errorf("second sample %+v, want a failure with status 503", s)
		}
		if batch.VantageRegion != "r1" || batch.Topology == "" {
			t.Errorf("batch from %q under topology %q", batch.VantageRegion, batch.Topology)
		}
		return errEnd
	})
	if !errors.Is(err, errEnd) {
		t.Error(err)
	}
}

func TestSamplesThatAreNoImportsAreRefused(t *testing.T) {
	server := bustest.Start(t)
	g := start(t, server, nil)
	g.apply(topology("http://127.0.0.1:9"))
	forged := schemas.SampleBatch{Vantage: schemas.ImportVantage, Boot: 1, Counter: 1}
	forged.Append(schemas.Sample{App: "shop", Region: "r0", Variant: "slim", Kind: schemas.KindHTTP, Outcome: schemas.OK, DueUS: 1})
	other := forged
	other.Vantage = "v"
	header := map[string]string{"Authorization": "Bearer t0ken", "Content-Type": "application/x-protobuf"}
	for name, body := range map[string][]byte{"a probe's kind": encoded(t, forged), "another's vantage": encoded(t, other), "garbage": []byte("x")} {
		if r := g.call(http.MethodPost, "/v1/samples", header, body); r.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: status %d, want 422: %s", name, r.status, r.body)
		}
	}
	delete(header, "Authorization")
	if r := g.call(http.MethodPost, "/v1/samples", header, encoded(t, forged)); r.status != http.StatusUnauthorized {
		t.Errorf("without the token: status %d, want 401", r.status)
	}
}

func TestResultsArePostedAsTheirToolWroteThem(t *testing.T) {
	server := bustest.Start(t)
	g := start(t, server, nil)
	g.apply(topology("http://127.0.0.1:9"))
	header := map[string]string{"Authorization": "Bearer t0ken"}
	stored := func() uint64 {
		state, err := server.Connect(schemas.Recorder, "").State(t.Context(), schemas.Imports)
		if err != nil {
			t.Fatal(err)
		}
		return state.Messages
	}
	const where = "?app=shop&region=r0&variant=slim"
	const hey = "response-time,DNS+dialup,DNS,Request-write,Response-delay,Response-read,status-code,offset\n0.0520,0,0,0,0.05,0,200,0\n"
	for name, test := range map[string]struct {
		path, body string
		status     int
		want       string
	}{
		"no app":         {"auto", k6Lines, http.StatusUnprocessableEntity, "app"},
		"no format":      {"gatling" + where, k6Lines, http.StatusUnprocessableEntity, "the formats are leeward, k6"},
		"unknown region": {"k6?app=shop&region=mars&variant=slim", k6Lines, http.StatusUnprocessableEntity, "no endpoint of variant slim in region mars"},
		"no time":        {"hey" + where, hey, http.StatusUnprocessableEntity, "--time"},
		"too much":       {"k6" + where, strings.Repeat("x", 65<<20), http.StatusRequestEntityTooLarge, ""},
	} {
		if r := g.call(http.MethodPost, "/v1/import/"+test.path, header, []byte(test.body)); r.status != test.status || !strings.Contains(string(r.body), test.want) {
			t.Errorf("%s: status %d, want %d with %q: %s", name, r.status, test.status, test.want, r.body)
		}
	}
	if n := stored(); n != 0 {
		t.Fatalf("%d batches are stored after refused imports, want none", n)
	}
	for _, path := range []string{"k6" + where, "auto" + where} { // the second is the same one again
		if r := g.call(http.MethodPost, "/v1/import/"+path, header, []byte(k6Lines+"cut")); r.status != http.StatusOK || !strings.Contains(string(r.body), `"samples":2,"left_out":1`) {
			t.Errorf("%s: status %d: %s", path, r.status, r.body)
		}
	}
	if r := g.call(http.MethodPost, "/v1/import/hey"+where+"&time=2026-11-21T04:00:00Z", header, []byte(hey)); r.status != http.StatusOK {
		t.Errorf("hey: status %d: %s", r.status, r.body)
	}
	if n := stored(); n != 2 {
		t.Errorf("%d batches are stored, want 2 for three imports of two files", n)
	}
	delete(header, "Authorization")
	if r := g.call(http.MethodPost, "/v1/import/k6"+where, header, []byte(k6Lines)); r.status != http.StatusUnauthorized {
		t.Errorf("without the token: status %d, want 401", r.status)
	}
}

func encoded(t *testing.T, b schemas.SampleBatch) []byte {
	t.Helper()
	data, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

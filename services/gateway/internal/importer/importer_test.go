package importer_test

import (
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway/internal/importer"
)

type reader func(io.Reader, importer.Target, func(schemas.Sample) error) error

func read(t *testing.T, f reader, text string) []schemas.Sample {
	t.Helper()
	var all []schemas.Sample
	err := f(strings.NewReader(text), importer.Target{App: "shop", Region: "london", Variant: "slim"}, func(s schemas.Sample) error {
		all = append(all, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func bench(region, variant string, s schemas.Sample) schemas.Sample {
	s.App, s.Region, s.Variant, s.Kind = "shop", region, variant, schemas.KindBench
	return s
}

func TestK6PutsThePhasesOfARequestTogether(t *testing.T) {
	const at, tags = `"time":"2026-11-21T04:00:00.1Z"`, `"tags":{"status":"200","name":"x"}`
	line := func(metric, value string) string {
		return `{"metric":"` + metric + `","type":"Point","data":{` + at + `,"value":` + value + `,` + tags + `}}` + "\n"
	}
	text := line("http_reqs", "1") + line("http_req_duration", "30") + line("http_req_blocked", "21") + line("http_req_connecting", "13") + line("http_req_tls_handshaking", "7") +
		line("http_req_sending", "0.5") + line("http_req_waiting", "28") + line("http_req_receiving", "1.5") + line("http_req_failed", "0") + line("vus", "4") +
		// Another request that ended at the same moment.
		line("http_reqs", "1") + line("http_req_duration", "40")
	const end = 1_795_233_600_100_000
	want := []schemas.Sample{
		bench("london", "slim", schemas.Sample{Outcome: schemas.OK, DueUS: end - 51_000, LatencyUS: 51_000, ConnectUS: 13_000, TLSUS: 7_000, WriteUS: 500, FirstByteUS: 28_000, TransferUS: 1_500, Status: 200}),
		bench("london", "slim", schemas.Sample{Outcome: schemas.OK, DueUS: end - 40_000, LatencyUS: 40_000, Status: 200}),
	}
	if diff := cmp.Diff(want, read(t, importer.K6, text)); diff != "" {
		t.Error(diff)
	}
}

func TestK6ScriptThatTellsOfItsRequestsIsBelieved(t *testing.T) {
	text := `{"metric":"http_req_duration","type":"Point","data":{"time":"2026-11-21T04:00:00Z","value":30,"tags":{"status":"200"}}}
{"metric":"leeward_request","type":"Point","data":{"time":"2026-11-21T04:00:00Z","value":50,"tags":{"region":"tokyo","variant":"static","status":"200","connect":"12.5"}}}
{"metric":"http_req_duration","type":"Point","data":{"time":"2026-11-21T04:00:01Z","value":30,"tags":{"status":"0"}}}
{"metric":"leeward_request","type":"Point","data":{"time":"2026-11-21T04:00:01Z","value":5000,"tags":{"region":"unknown","variant":"unknown","status":"0","error_code":"1050"}}}
`
	const end = 1_795_233_600_000_000
	want := []schemas.Sample{
		bench("tokyo", "static", schemas.Sample{Outcome: schemas.OK, DueUS: end - 50_000, LatencyUS: 50_000, ConnectUS: 12_500, Status: 200}),
		bench("london", "slim", schemas.Sample{Outcome: schemas.TimedOut, DueUS: end - 4_000_000, LatencyUS: 5_000_000}),
	}
	if diff := cmp.Diff(want, read(t, importer.K6, text)); diff != "" {
		t.Error(diff)
	}
}

func TestJMeterColumnsAreFoundByTheirNames(t *testing.T) {
	text := `timeStamp,elapsed,label,responseCode,responseMessage,threadName,dataType,success,bytes,grpThreads,allThreads,Latency,Connect,"region","variant"
1795233600000,52,health,200,OK,"clients, 1",text,true,300,4,4,50,12,"dallas","nginx"
1795233601000,5001,health,Non HTTP response code: java.net.SocketTimeoutException,Read timed out,clients 2,,false,0,4,4,0,0,"",""
1795233602000,9,health,503,Service Unavailable,clients 2,text,false,10,4,4,9,1,unknown,unknown
`
	const at = 1_795_233_600_000_000
	want := []schemas.Sample{
		bench("dallas", "nginx", schemas.Sample{Outcome: schemas.OK, DueUS: at, LatencyUS: 52_000, ConnectUS: 12_000, FirstByteUS: 38_000, TransferUS: 2_000, Status: 200}),
		bench("london", "slim", schemas.Sample{Outcome: schemas.TimedOut, DueUS: at + 1_000_000, LatencyUS: 5_001_000}),
		bench("london", "slim", schemas.Sample{Outcome: schemas.BadStatus, DueUS: at + 2_000_000, LatencyUS: 9_000, ConnectUS: 1_000, FirstByteUS: 8_000, Status: 503}),
	}
	if diff := cmp.Diff(want, read(t, importer.JMeter, text)); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsNoResultsFileIsRefusedWithItsPlace(t *testing.T) {
	for name, test := range map[string]struct {
		read       reader
		text, want string
	}{
		"k6, a summary":          {importer.K6, "{\n", "line 1 is not a line of k6's JSON output"},
		"k6, a bad phase":        {importer.K6, `{"metric":"leeward_request","type":"Point","data":{"time":"2026-11-21T04:00:00Z","value":1,"tags":{"connect":"soon"}}}`, `line 1: tag connect: "soon" is not a number`},
		"JMeter, XML":            {importer.JMeter, "<?xml version=\"1.0\"?>\n", "not a JMeter results file in CSV"},
		"JMeter, nothing":        {importer.JMeter, "", "not a JMeter results file in CSV"},
		"JMeter, no names":       {importer.JMeter, "1795233600000,52,health,200\n", "the column timeStamp is missing"},
		"JMeter, formatted time": {importer.JMeter, "timeStamp,elapsed,responseCode,success\n2026/11/21 04:00:00,1,200,true\n", `line 2: timeStamp: "2026/11/21 04:00:00" is not a number of milliseconds`},
		"JMeter, cut off":        {importer.JMeter, "timeStamp,elapsed,responseCode,success\n1795233600000,1\n", "wrong number of fields"},
	} {
		err := test.read(strings.NewReader(test.text), importer.Target{App: "shop", Region: "london", Variant: "slim"}, func(schemas.Sample) error { return nil })
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, test.want)
		}
	}
}

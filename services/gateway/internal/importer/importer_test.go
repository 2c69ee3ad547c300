package importer_test

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway/internal/importer"
)

// update writes the golden files that are missing; who adds one reads it.
var update = flag.Bool("update", false, "write missing golden files")

var shop = importer.Target{App: "shop", Region: "london", Variant: "slim", Time: time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)}

// told is what an import comes to, a line per sample, and then per row that was left out.
func told(file io.ReadSeeker, format string, t importer.Target) (string, error) {
	results, err := importer.Read(file, format, t)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	n := 0
	err = results.Send(func(batch *schemas.SampleBatch) error {
		if _, err := batch.Encode(); err != nil {
			return err
		}
		n += batch.Len()
		for i := range batch.Len() {
			s := batch.At(i)
			fmt.Fprintf(&b, "%s %s %s %s", s.App, s.Region, s.Variant, s.Outcome)
			if s.Status != 0 {
				fmt.Fprintf(&b, " %d", s.Status)
			}
			fmt.Fprintf(&b, " %s", time.UnixMicro(s.DueUS).UTC().Format(time.RFC3339Nano))
			for _, phase := range []struct {
				name string
				us   uint32
			}{{"latency", s.LatencyUS}, {"late", s.LateUS}, {"dns", s.DNSUS}, {"connect", s.ConnectUS}, {"tls", s.TLSUS}, {"write", s.WriteUS}, {"first_byte", s.FirstByteUS}, {"transfer", s.TransferUS}} {
				if phase.us != 0 {
					fmt.Fprintf(&b, " %s=%s", phase.name, time.Duration(phase.us)*time.Microsecond)
				}
			}
			b.WriteString("\n")
		}
		return nil
	})
	if err == nil && n != results.Samples {
		err = fmt.Errorf("%d samples were sent, and the report says %d", n, results.Samples)
	}
	if results.LeftOut > 0 {
		fmt.Fprintf(&b, "left out: %d\n%s\n", results.LeftOut, strings.Join(results.Reasons, "\n"))
	}
	return b.String(), err
}

// inputs are the files of testdata whose names begin with a format.
func inputs(tb testing.TB, format string) []string {
	tb.Helper()
	files, err := filepath.Glob("testdata/" + format + ".*")
	if err != nil {
		tb.Fatal(err)
	}
	files = slices.DeleteFunc(files, func(name string) bool { return strings.HasSuffix(name, ".golden") })
	if len(files) == 0 {
		tb.Fatalf("there is no file of %s in testdata", format)
	}
	return files
}

func TestFilesOfEachFormatAreRecognisedAndReadAsTheirGoldenFilesSay(t *testing.T) {
	for _, format := range importer.Formats() {
		for _, name := range inputs(t, format) {
			t.Run(filepath.Base(name), func(t *testing.T) {
				for _, format := range []string{format, importer.Auto} {
					file, err := os.Open(name)
					if err != nil {
						t.Fatal(err)
					}
					defer file.Close()
					got, err := told(file, format, shop)
					if err != nil {
						got = "refused: " + err.Error() + "\n"
					}
					want, err := os.ReadFile(name + ".golden")
					if os.IsNotExist(err) && *update {
						want, err = []byte(got), os.WriteFile(name+".golden", []byte(got), 0o600)
					}
					if err != nil {
						t.Fatalf("%v; a new one is written by go test -run Golden -update", err)
					}
					if diff := cmp.Diff(string(want), got); diff != "" {
						t.Errorf("as %s:\n%s", format, diff)
					}
				}
			})
		}
	}
}

// fuzz imports whatever comes: it ends, what is sent can be stored, and a second time is the same.
func fuzz(f *testing.F, format string) {
	f.Helper()
	for _, name := range inputs(f, format) {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
		f.Add(string(text[:len(text)/2]))
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, err := told(strings.NewReader(text), format, shop)
		if err != nil {
			return
		}
		if second, err := told(strings.NewReader(text), format, shop); err != nil || second != first {
			t.Errorf("the second time: %v\n%s", err, cmp.Diff(first, second))
		}
	})
}

func FuzzLeeward(f *testing.F)     { fuzz(f, "leeward") }
func FuzzK6(f *testing.F)          { fuzz(f, "k6") }
func FuzzJMeter(f *testing.F)      { fuzz(f, "jmeter") }
func FuzzVegeta(f *testing.F)      { fuzz(f, "vegeta") }
func FuzzHey(f *testing.F)         { fuzz(f, "hey") }
func FuzzOha(f *testing.F)         { fuzz(f, "oha") }
func FuzzWrk2(f *testing.F)        { fuzz(f, "wrk2") }
func FuzzAtlas(f *testing.F)       { fuzz(f, "atlas") }
func FuzzPingdom(f *testing.F)     { fuzz(f, "pingdom") }
func FuzzNewRelic(f *testing.F)    { fuzz(f, "newrelic") }
func FuzzDynatrace(f *testing.F)   { fuzz(f, "dynatrace") }
func FuzzCloudprober(f *testing.F) { fuzz(f, "cloudprober") }
func FuzzPrometheus(f *testing.F)  { fuzz(f, "prometheus") }
func FuzzRemoteWrite(f *testing.F) { fuzz(f, "remote-write") }
func FuzzDatadog(f *testing.F)     { fuzz(f, "datadog") }

func TestWhatCanNotBeImportedIsRefusedWithItsPlaceAndTheWayOut(t *testing.T) {
	nowhere := importer.Target{App: "shop", Time: shop.Time}
	for name, test := range map[string]struct {
		format, text string
		target       importer.Target
		want         string
	}{
		"nothing":                  {"k6", "", shop, "it is empty"},
		"no format":                {"auto", "hello\n", shop, `not recognised: it begins with "hello"`},
		"an unknown format":        {"gatling", "hello\n", shop, `no format "gatling"; the formats are leeward, k6, jmeter`},
		"another format":           {"jmeter", `{"metric":"x","type":"Point","data":{}}`, shop, "import it as k6"},
		"not that format":          {"k6", "hello\n", shop, "`k6 run --out json=FILE`"},
		"no requests":              {"k6", `{"metric":"vus","type":"Point","data":{}}`, shop, "there is no result in it"},
		"nobody answered":          {"k6", `{"metric":"http_req_duration","type":"Point","data":{"time":"2026-11-21T04:00:00Z","value":1}}`, nowhere, "line 1: which region and variant answered"},
		"only bad rows":            {"jmeter", "timeStamp,elapsed,responseCode,success\nx,1,200,true\n", shop, `not one of 1 rows is a sample; line 2: timeStamp: "x"`},
		"JMeter without a column":  {"jmeter", "timeStamp,elapsed,success\n1,1,true\n", shop, "response_code=true"},
		"JMeter without names":     {"jmeter", "1795233600000,52,health,200,OK,clients 1,text,true,300\n", shop, "print_field_names=true"},
		"hey without a time":       {"hey", "response-time,DNS+dialup,DNS,Request-write,Response-delay,Response-read,status-code,offset\n", importer.Target{App: "shop"}, "--time"},
		"hey, an old one":          {"hey", "response-time,DNS+dialup,DNS,Request-write,Response-delay,Response-read\n", shop, "status-code and offset are missing"},
		"oha without a time":       {"oha", "request-start,DNS,DNS+dialup,request-duration,bytes,status\n", importer.Target{App: "shop"}, "--time"},
		"a scrape without a time":  {"prometheus", "probe_success 1\nprobe_duration_seconds 0.1\n", importer.Target{App: "shop"}, "--time"},
		"cloudprober, no time":     {"cloudprober", `total{ptype="http",probe="shop",dst="a"} 1` + "\n", shop, "include_timestamp"},
		"cloudprober, one scrape":  {"cloudprober", `total{ptype="http",probe="shop",dst="a"} 1 1795233600000` + "\n", shop, "not all of total, success and latency are there"},
		"cloudprober, as a scrape": {"prometheus", `# TYPE total counter` + "\n" + `total{ptype="http",probe="shop",dst="a"} 1 1795233600000` + "\n", shop, "as cloudprober"},
		"a scrape that is none":    {"prometheus", "# TYPE probe_success gauge\nprobe_success one\n", shop, "line 2"},
		"JSON that is broken":      {"pingdom", `{"results":[{"probeid":1,"time":1795233600,"status":"up"},}`, shop, "line 1 is not JSON"},
		"JMeter, XML that is none": {"jmeter", "<testResults><httpSample t='1'></wrong>", shop, "is not XML"},
	} {
		_, err := told(strings.NewReader(test.text), test.format, test.target)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, test.want)
		}
	}
}

func TestBadRowsAreLeftOutWithTheirLinesAndTheOthersKept(t *testing.T) {
	const k6, jmeter = `{"metric":"http_req_duration","type":"Point","data":{"time":"2026-11-21T04:00:00Z","value":1}}` + "\n", "timeStamp,elapsed,responseCode,success\n1795233600000,1,200,true\n"
	const ours = `{"due":"2026-11-21T04:00:00Z","outcome":"ok","latency_us":1}` + "\n"
	const vegeta = `{"attack":"","seq":0,"latency":1,"code":200,"timestamp":"2026-11-21T04:00:00Z"}` + "\n"
	for name, test := range map[string]struct{ format, text, want string }{
		"ours, no JSON":             {"leeward", ours + "hello\n", "line 2: this is no line of Leeward's JSON"},
		"ours, no time":             {"leeward", ours + strings.Replace(ours, `"due":"2026-11-21T04:00:00Z",`, "", 1), "line 2: its time is before 1970"},
		"ours, no outcome":          {"leeward", ours + strings.Replace(ours, "ok", "well", 1), `line 2: outcome: "well" is none of ok, timeout`},
		"ours, negative":            {"leeward", ours + strings.Replace(ours, ":1}", ":-1}", 1), "line 2: this is no line of Leeward's JSON: json: cannot unmarshal number -1"},
		"ours, later than it took":  {"leeward", ours + strings.Replace(ours, ":1}", `:1,"late_us":2}`, 1), "line 2: late_us: 2 is more than the latency_us"},
		"k6, no JSON":               {"k6", k6 + "hello\n", "line 2: this is no line of k6's JSON output"},
		"k6, no time":               {"k6", k6 + strings.Replace(k6, "2026-11-21T04:00:00Z", "0001-01-01T00:00:00Z", 1), "line 2: its time is before 1970"},
		"k6, longer than a sample":  {"k6", k6 + strings.Replace(strings.Replace(k6, ":1}", ":1e10}", 1), "00Z", "01Z", 1), "line 2: a duration is negative, or longer than 1h11m"},
		"k6, a line without end":    {"k6", k6 + strings.Repeat("x", 17<<20) + "\n" + k6, "line 2: a row is longer than 16 MiB"},
		"JMeter, no number":         {"jmeter", jmeter + "1795233600000,soon,200,true\n", `line 3: elapsed: "soon" is not a number of milliseconds`},
		"JMeter, no fields":         {"jmeter", jmeter + "1795233600000,1\n", "line 3: 2 fields, where there are 4 columns"},
		"JMeter, an open quote":     {"jmeter", jmeter + "1795233600000,1,200,\"true\n", "line 3: "},
		"JMeter, negative":          {"jmeter", jmeter + "1795233600000,-1,200,true\n", `line 3: elapsed: "-1"`},
		"JMeter, time before 1970":  {"jmeter", jmeter + "-5,1,200,true\n", "line 3: its time is before 1970"},
		"vegeta, no JSON":           {"vegeta", vegeta + "hello\n", "line 2: this is no line of vegeta's JSON"},
		"vegeta, negative":          {"vegeta", vegeta + strings.Replace(vegeta, ":1,", ":-1,", 1), "line 2: a duration is negative"},
		"vegeta, table, no time":    {"vegeta", "1795233600000000001,200,1,0,0,,,,0\nx,200,1,0,0,,,,0\n", `line 2: column 1: "x"`},
		"hey, no number":            {"hey", "response-time,DNS+dialup,status-code,offset\n1,0,200,0\nx,0,200,0\n", `line 3: response-time: "x" is not a number of seconds`},
		"oha, no number":            {"oha", "request-start,DNS,DNS+dialup,request-duration,status\n0,0,0,1,200\n0,0,0,x,200\n", `line 3: request-duration: "x" is not a number of seconds`},
		"Atlas, no ping":            {"atlas", `{"msm_id":1,"prb_id":1,"type":"ping","timestamp":1795233600,"result":[{"rtt":1}]}` + "\n" + `{"type":"dns"}`, `line 2: type "dns"`},
		"Pingdom, no time":          {"pingdom", "{\"results\":[{\"probeid\":1,\"time\":1795233600,\"status\":\"up\"},\n{\"status\":\"up\"}]}", "line 2: its time is before 1970"},
		"Datadog, cut off":          {"datadog", "{\"results\":[{\"check_time\":1795233600000,\"result\":{\"passed\":true}},\n{\"check_", "line 2: the file ends in the middle of a row"},
		"New Relic, no duration":    {"newrelic", "timestamp,duration,responseCode\n1795233600000,1,200\n1795233600000,,200\n", "line 3: duration is missing"},
		"Dynatrace, no time":        {"dynatrace", `{"simpleResults":[{"startTimestamp":1795233600000,"status":"SUCCESS"},{"status":"SUCCESS"}]}`, "line 1: its time is before 1970"},
		"cloudprober, many at once": {"cloudprober", cloudprober(1, 1, 50, 0) + cloudprober(2, 2, 90, 10) + cloudprober(5, 5, 200, 20), `line 9: between 2026-11-21T04:00:10Z and 2026-11-21T04:00:20Z dst="a" probe="shop" ptype="http" was probed 3 times`},
		"cloudprober, new counters": {"cloudprober", cloudprober(1, 1, 50, 0) + cloudprober(2, 2, 90, 10) + cloudprober(1, 1, 60, 20), "line 9: the counters of"},
		"cloudprober, out of order": {"cloudprober", cloudprober(1, 1, 50, 10) + cloudprober(2, 2, 90, 20) + strings.SplitAfter(cloudprober(3, 3, 99, 0), "\n")[0], "line 7: its time is before that of the scrape before"},
		"cloudprober, no number":    {"cloudprober", cloudprober(1, 1, 50, 0) + cloudprober(2, 2, 90, 10) + "total{ptype=\"http\"} many 1\n", "line 7: this is no line of a scrape"},
		"a scrape, half a probe":    {"prometheus", "probe_success 1\nprobe_duration_seconds 0.1\nprobe_success{instance=\"b\"} 1\n", `of the probe instance="b" at 2026-11-21T04:00:00Z only one`},
		"JMeter, many bad rows":     {"jmeter", jmeter + strings.Repeat("x,1,200,true\n", 1000), "left out: 1000\n"},
		"JMeter, XML, no such time": {"jmeter", "<testResults>\n<sample t='1' ts='1795233600000' s='true' rc='200'/>\n<sample t='1' ts='' s='true' rc='200'/></testResults>", `line 3: timeStamp: ""`},
	} {
		got, err := told(strings.NewReader(test.text), test.format, shop)
		if err != nil || !strings.HasPrefix(got, "shop london slim ok ") || !strings.Contains(got, test.want) || !strings.Contains(got, "left out: 1") {
			t.Errorf("%s: got %.500s, %v, want one good row, and %q", name, got, err, test.want)
		}
	}
}

// cloudprober is a scrape of one target so many seconds after another.
func cloudprober(total, success, latency, after int) string {
	const labels, at = `{ptype="http",probe="shop",dst="a"}`, 1795233600
	return fmt.Sprintf("total%s %d %d000\nsuccess%s %d %d000\nlatency%s %d %d000\n", labels, total, at+after, labels, success, at+after, labels, latency, at+after)
}

func TestAQuoteThatIsNeverClosedDoesNotFillTheMemory(t *testing.T) {
	text := "timeStamp,elapsed,responseCode,success\n1795233600000,1,200,\"" + strings.Repeat("true\n", 4<<20)
	if _, err := told(strings.NewReader(text), "jmeter", shop); err == nil || !strings.Contains(err.Error(), "line 2: a row is longer than 16 MiB") {
		t.Errorf("got %v, want an error with the line", err)
	}
}

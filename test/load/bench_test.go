package load_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryRequestOfABenchIsASample runs the commands of docs/how-to/bench.md, for shorter: what the app was asked and what is in ClickHouse afterwards are one number, in each region and of each outcome.
func TestEveryRequestOfABenchIsASample(t *testing.T) {
	w := start(t)
	text, err := os.ReadFile(filepath.Join(root, "docs/how-to/bench.md"))
	w.do(err)
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 3 {
		t.Fatalf("%d blocks of commands, want 3", len(blocks))
	}
	shorter := strings.NewReplacer("--duration 30s", "--duration 4s", "http://127.0.0.1:8080", "http://"+w.api)
	out := w.run(shorter.Replace(blocks[0][1]))
	t.Log(out)
	asked := w.asked()
	if asked.total() != 400 || asked["frankfurt"].Failures != 0 || asked["london"].Failures != 2 || strings.Count(out, "200 samples of kind bench stored") != 2 {
		t.Errorf("the app was asked %+v, want 200 times in each region, and two failures:\n%s", asked, out)
	}
	if want := "198 ok, 1 status, 1 other"; !strings.Contains(out, want) {
		t.Errorf("it does not say %q:\n%s", want, out)
	}
	w.stored()
	out = w.run(blocks[1][1], "TEST_DSN="+w.dsn, "LEEWARD_CLICKHOUSE_DSN=env:TEST_DSN")
	for _, want := range []string{"frankfurt\t200\t0\t", "london\t200\t2\t"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	var result struct {
		Requests, Stored int
		Outcomes         map[string]int
	}
	out = w.run(shorter.Replace(blocks[2][1]))
	if err := json.Unmarshal([]byte(out), &result); err != nil || result.Requests != 100 || result.Outcomes["ok"] != 100 || result.Stored != 0 {
		t.Errorf("%v: %+v, want 100 requests that are ok and not stored:\n%s", err, result, out)
	}
	w.stored()
}

package load_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// TestDrain has k6 put its load on the entry while traffic is moved, and asks for the advice that comes of it.
func TestDrain(t *testing.T) {
	if _, err := os.Stat(filepath.Join(root, "bin/k6")); err != nil {
		unavailable(t, fmt.Sprintf("k6 is not installed (make install k6): %v", err))
	}
	w := start(t)
	w.move()
	// Nobody measures here, so that the ranker is never ready; it ranks all the same.
	w.serve(schemas.Ranker, "LEEWARD_CLICKHOUSE_DSN=env:DSN", "DSN="+w.dsn)
	w.service(schemas.Actuator)
	w.settled(regions[0])
	load, keep, _ := strings.Cut(w.lines("examples/k6/README.md"), "\n")
	w.run("("+load+") & load=$!\nsleep 11\nbin/leeward failover request shop --to london --reason test --force\nwait $load\n"+strings.TrimSpace(keep)+" --region london --variant slim",
		"DURATION=25s", "VUS=2")
	var said struct {
		Drain struct {
			Failovers  uint64  `json:"failovers"`
			Seconds    float64 `json:"seconds"`
			TTLSeconds uint64  `json:"ttl_seconds"`
		} `json:"drain"`
	}
	await(t, "a drain that was measured", func() error {
		out := w.run("bin/leeward advise shop -o json", "LEEWARD_CLICKHOUSE_DSN=env:DSN", "DSN="+w.dsn)
		if err := json.Unmarshal([]byte(out), &said); err != nil {
			return err
		}
		if said.Drain.Failovers != 1 {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
	// HAProxy sends no new request to a server without weight.
	if said.Drain.Seconds > 1 || said.Drain.TTLSeconds != 1 {
		t.Errorf("%+v", said.Drain)
	}
	t.Logf("%+v", said.Drain)
}

// move lets Leeward move the app's traffic at the entry, in two steps.
func (w *world) move() {
	w.t.Helper()
	path := filepath.Join(w.folder, "leeward.yaml")
	text, err := os.ReadFile(path)
	w.do(err)
	moved := strings.Replace(string(text), `{verify: {url: "http://127.0.0.1:9/healthz"}}`, fmt.Sprintf(`{shift: [50, 100], bake: 1s, verify: {url: "http://%s/healthz"}}`, w.entry), 1)
	moved += "    mode: auto\n    targets:\n      - name: entry\n        haproxy:\n          socket: " + w.socket() + "\n          backend: shop\n          servers:\n"
	for _, region := range regions {
		moved += fmt.Sprintf("            - {region: %s, variant: slim, server: %s}\n", region, region)
	}
	w.do(os.WriteFile(path, []byte(moved), 0o600))
	w.run("bin/leeward apply leeward.yaml")
}

// settled waits until a region has answered at the entry ten times in a row.
func (w *world) settled(region string) {
	w.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	await(w.t, "answers of "+region, func() error {
		for range 10 {
			r, err := client.Get("http://" + w.entry)
			if err != nil {
				return err
			}
			_ = r.Body.Close()
			if by := r.Header.Get("X-Leeward-Instance"); !strings.HasPrefix(by, region+"/") {
				return fmt.Errorf("%q answered", by)
			}
		}
		return nil
	})
}

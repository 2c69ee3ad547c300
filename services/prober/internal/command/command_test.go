package command_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/services/prober/internal/command"
)

func run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	root := &cobra.Command{Use: "leeward", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(command.All()...)
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs(args)
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

func TestOnceExplainsAMeasurement(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(30 * time.Millisecond)
		if r.URL.Path != "/" {
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(app.Close)
	text, err := run(t, "probe", "once", "http", app.URL)
	if err != nil || !strings.Contains(text, ": ok in ") || !strings.Contains(text, "status 200") || !strings.Contains(text, "first byte") || !strings.Contains(text, "█") {
		t.Errorf("%v: %s", err, text)
	}
	text, err = run(t, "probe", "once", "http", app.URL+"/gone", "-o", "json")
	var got struct {
		Kind, Outcome, Error string
		Status               int
		Latency              int `json:"latency_us"`
		Phases               []struct {
			Name string
			US   int
		}
	}
	if decoded := json.Unmarshal([]byte(text), &got); decoded != nil {
		t.Fatal(decoded, text)
	}
	sum := 0
	for _, p := range got.Phases {
		sum += p.US
	}
	if err == nil || got.Kind != "http" || got.Outcome != "status" || got.Status != 404 || !strings.Contains(got.Error, "404") || got.Latency < 30_000 || sum > got.Latency+6 || sum < got.Latency*8/10 {
		t.Errorf("%v: %+v", err, got)
	}
}

func TestOnceTeaches(t *testing.T) {
	for want, args := range map[string][]string{
		`"htttp" is no kind of probe; there are icmp, tcp, http`: {"probe", "once", "htttp", "x"},
		"--timeout 0s: must be longer than 0":                    {"probe", "once", "tcp", "127.0.0.1:1", "--timeout", "0s"},
		"-o yaml: the formats are table and json":                {"probe", "once", "tcp", "127.0.0.1:1", "-o", "yaml"},
		"--duration 10ms: from 1s to 1h":                         {"probe", "selftest", "--duration", "10ms"},
	} {
		if out, err := run(t, args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q\n%s", args, err, want, out)
		}
	}
}

func TestSelftestMeasuresThisMachine(t *testing.T) {
	text, err := run(t, "probe", "selftest", "--duration", "2s", "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Late int    `json:"lateness_p99_us"`
		TCP  int    `json:"tcp_error_p99_us"`
		ICMP string `json:"icmp"`
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err, text)
	}
	if got.Late == 0 || got.TCP == 0 || got.ICMP == "" {
		t.Errorf("nothing measured: %s", text)
	}
	if text, err := run(t, "probe", "selftest", "--duration", "1s"); err != nil || !strings.Contains(text, "a probe leaves late by") {
		t.Errorf("%v: %s", err, text)
	}
}

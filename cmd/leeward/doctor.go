package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/cmd/leeward/internal/up"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/pkg/env"
	"github.com/leeward-failover/leeward/pkg/supervise"
)

// finding is one thing that was looked at, as the API tells it.
type finding struct {
	Level    string `json:"level"`
	What     string `json:"what"`
	Evidence string `json:"evidence"`
	Advice   string `json:"advice,omitempty"`
}

const doctorLong = `Looks at everything there is and says of each whether it is well, what was seen, and what to do.
What the API sees comes from the API; the processes' own health and ClickHouse are asked from this machine, where ` + "`leeward up`" + ` runs.
It ends with 1 when something has failed. Warnings will bite later.`

func doctorCommand() *cobra.Command {
	api, state, output := "", "", ""
	quiet := false
	cmd := &cobra.Command{
		Use: "doctor", Short: "Say what is wrong, what will bite, and what to do about it", Long: doctorLong, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			folder, err := stateFolder(state)
			if err != nil {
				return err
			}
			if output != "table" && output != "json" {
				return fmt.Errorf("-o %s: the formats are table and json", output)
			}
			findings := append(remote(cmd.Context(), api), local(cmd.Context(), folder)...)
			if output == "json" {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				err = e.Encode(findings)
			} else {
				render(cmd.OutOrStdout(), findings, quiet)
			}
			return errors.Join(err, verdict(findings))
		},
	}
	address := os.Getenv("LEEWARD_API")
	if address == "" {
		address = "http://127.0.0.1:8080"
	}
	cmd.Flags().StringVar(&api, "api", address, "address of the API ($LEEWARD_API)")
	cmd.Flags().StringVar(&state, "state", defaultState(), "state folder ($LEEWARD_STATE)")
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "leave out what is well")
	return cmd
}

// verdict is an error when something has failed.
func verdict(findings []finding) error {
	failed := 0
	for _, f := range findings {
		if f.Level == "fail" {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d checks failed", failed, len(findings))
	}
	return nil
}

// remote is what the API sees.
func remote(ctx context.Context, api string) []finding {
	advice := "is `leeward up` running, or the gateway? --api names another address"
	data, err := get(ctx, strings.TrimSuffix(api, "/")+"/v1/doctor", 15*time.Second)
	if err != nil {
		return []finding{{"fail", "API", err.Error(), advice}}
	}
	var findings []finding
	if err := json.Unmarshal(data, &findings); err != nil {
		return []finding{{"fail", "API", fmt.Sprintf("%s answers with something else: %v", api, err), advice}}
	}
	return append([]finding{{"ok", "API", api + " answers", ""}}, findings...)
}

// local is what this machine sees: the processes that up runs, their own health, and ClickHouse.
func local(ctx context.Context, state up.State) []finding {
	data, err := os.ReadFile(state.Processes())
	if err != nil || !state.Running() {
		return []finding{{"warn", "processes", fmt.Sprintf("leeward up does not run with its state in %s", state),
			"on the machines where the services run, ask their /readyz; NATS must run with sync_interval: always, or what it acknowledged can be lost in a power cut"}}
	}
	var processes []supervise.State
	if err := json.Unmarshal(data, &processes); err != nil {
		return []finding{{"fail", "processes", fmt.Sprintf("%s: %v", state.Processes(), err), "start leeward up again"}}
	}
	var findings []finding
	for _, p := range processes {
		findings = append(findings, process(ctx, state, p))
	}
	return append(findings, engine(ctx, state))
}

// settled is how long a process must have run since it was last started again, to be taken for well.
const settled = 10 * time.Minute

func process(ctx context.Context, state up.State, p supervise.State) finding {
	f := finding{Level: "ok", What: "process " + p.Name, Evidence: "running"}
	log := "its log is " + filepath.Join(state.Logs(), p.Name+".log")
	if p.Name == "nats" {
		f.Evidence += ", syncs every write before it answers"
	}
	switch {
	case !p.Running:
		f.Level, f.Evidence, f.Advice = "fail", "it died, and is started again", log
		return f
	case p.Restarts > 0 && time.Since(p.Since) < settled:
		f.Level, f.Evidence, f.Advice = "warn", fmt.Sprintf("started again %d times, last %s ago", p.Restarts, time.Since(p.Since).Round(time.Second)), log
	}
	if p.Health == "" {
		return f
	}
	if _, err := get(ctx, p.Health+"/readyz", 5*time.Second); err != nil {
		f.Level, f.Evidence, f.Advice = "fail", err.Error(), log
		return f
	}
	f.Evidence += ", ready"
	return f
}

// late is how old the newest sample may be.
const late = 30

// engine asks ClickHouse how old the newest sample is.
func engine(ctx context.Context, state up.State) finding {
	f := finding{"fail", "ClickHouse", "", "is it running? rankings grow old without it, and then nothing moves by itself"}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	dsn, err := env.Resolve("file:"+state.DSN(), os.Getenv)
	if err != nil {
		return finding{"warn", "ClickHouse", "its DSN is not in the state folder: leeward up was given a server", "ask it yourself: leeward sql \"SELECT max(due) FROM samples\""}
	}
	db, err := clickhouse.Open(dsn)
	if err != nil {
		f.Evidence = err.Error()
		return f
	}
	defer func() { _ = db.Close() }()
	var samples uint64
	var age int64
	if err := db.QueryRow(ctx, "SELECT count(), dateDiff('second', max(due), now()) FROM samples WHERE due > now() - INTERVAL 1 HOUR").Scan(&samples, &age); err != nil {
		f.Evidence = err.Error()
		return f
	}
	switch {
	case samples == 0:
		f.Level, f.Evidence, f.Advice = "warn", "answers; no sample in the last hour", "are probers running, and the recorder?"
	case age > late:
		f.Level, f.Evidence, f.Advice = "fail", fmt.Sprintf("answers; the newest sample is %d s old", age), "is the recorder behind? its log tells"
	default:
		f.Level, f.Evidence, f.Advice = "ok", fmt.Sprintf("answers; the newest of %d samples of the last hour is %d s old", samples, max(age, 0)), ""
	}
	return f
}

// get returns the body of a good answer, or an error with that of a bad one.
func get(ctx context.Context, url string, within time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %d: %.500s", url, resp.StatusCode, strings.TrimSpace(string(data)))
	}
	return data, err
}

func render(w io.Writer, findings []finding, quiet bool) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 3, WidthMax: 70, WidthMaxEnforcer: text.WrapSoft}, {Number: 4, WidthMax: 60, WidthMaxEnforcer: text.WrapSoft}})
	t.AppendHeader(table.Row{"", "what", "seen", "to do"})
	for _, f := range findings {
		if !quiet || f.Level != "ok" {
			t.AppendRow(table.Row{f.Level, f.What, plain(f.Evidence), f.Advice})
		}
	}
	t.Render()
}

// plain keeps a terminal's commands out of what others wrote.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, s)
}

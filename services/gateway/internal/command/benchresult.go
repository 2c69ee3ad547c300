package command

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway/internal/importer"
	"github.com/leeward-failover/leeward/services/gateway/internal/load"
)

// results keeps the samples of a load on the disk, as lines that can be imported. Its zero value keeps none.
type results struct {
	*os.File
	buffer *bufio.Writer
	lines  *json.Encoder
}

func newResults() (*results, error) {
	file, err := os.CreateTemp("", "leeward-bench-*.json")
	if err != nil {
		return nil, err
	}
	buffer := bufio.NewWriter(file)
	return &results{file, buffer, json.NewEncoder(buffer)}, nil
}

func (r *results) add(s schemas.Sample) error {
	if r.File == nil {
		return nil
	}
	return r.lines.Encode(importer.LineOf(s))
}

func (r *results) flush() error { return r.buffer.Flush() }

func (r *results) remove() error {
	if r.File == nil {
		return nil
	}
	return errors.Join(r.Close(), os.Remove(r.Name()))
}

// benchResult is what a load comes to, as JSON.
type benchResult struct {
	App         string         `json:"app"`
	Region      string         `json:"region,omitempty"`
	Variant     string         `json:"variant,omitempty"`
	URL         string         `json:"url"`
	Began       time.Time      `json:"began"`
	RateAsked   float64        `json:"rate_asked"`
	RateReached float64        `json:"rate_reached"`
	Requests    int            `json:"requests"`
	Sent        int            `json:"sent"`
	NotSent     int            `json:"not_sent"`
	SentAgain   int            `json:"sent_again"`
	GivenUp     int            `json:"given_up"`
	Failed      int            `json:"failed"`
	Outcomes    map[string]int `json:"outcomes"`
	TimeoutMS   float64        `json:"timeout_ms"`
	LatencyMS   load.Figures   `json:"latency_ms"`
	ServiceMS   load.Figures   `json:"service_ms"`
	LateMS      load.Figures   `json:"late_ms"`
	Stopped     string         `json:"stopped,omitempty"`
	Failure     string         `json:"first_failure,omitempty"`
	Stored      int            `json:"stored"`
	Import      string         `json:"import,omitempty"`
}

func (b *bench) result(t *load.Tally, stored importer.Report) benchResult {
	r := benchResult{
		App: b.app, Region: b.region, Variant: b.variant, URL: b.plan.URL, Began: t.Began.UTC(), RateAsked: b.plan.Rate, RateReached: t.Rate(),
		Requests: t.Requests, Sent: t.Sent, NotSent: t.Requests - t.Sent, SentAgain: t.Again, GivenUp: t.GivenUp, Failed: t.Failed(), Outcomes: map[string]int{},
		TimeoutMS: float64(b.plan.Timeout.Microseconds()) / 1000, LatencyMS: t.Latency(), ServiceMS: t.Service(), LateMS: t.Late(),
		Stored: stored.Samples, Import: stored.Import,
	}
	for o, n := range t.Outcomes {
		r.Outcomes[o.String()] = n
	}
	if t.Stopped != nil {
		r.Stopped = t.Stopped.Error()
	}
	if t.Failure != nil {
		r.Failure = t.Failure.Error()
	}
	return r
}

// print shows what came of the load.
func (b *bench) print(t *load.Tally, stored importer.Report) error {
	w := b.cmd.OutOrStdout()
	r := b.result(t, stored)
	if b.client.output == "json" {
		return printJSON(w, r)
	}
	what := b.app
	if b.region != "" {
		what += " in " + b.region + ", " + b.variant
	}
	fmt.Fprintf(w, "%s: %s\n", what, r.URL)
	fmt.Fprintf(w, "%d requests, %.1f per second where %g were asked for: %s\n", r.Requests, r.RateReached, r.RateAsked, counted(t))
	b.remarks(w, t)
	rows := newTable(w, table.Row{"milliseconds", "mean", "p50", "p90", "p95", "p99", "p99.9", "max"})
	row := func(name string, f load.Figures, ms func(float64) string) {
		rows.AppendRow(table.Row{name, ms(f.Mean), ms(f.P50), ms(f.P90), ms(f.P95), ms(f.P99), ms(f.P999), ms(f.Max)})
	}
	row("latency, from when due to the end", r.LatencyMS, b.atLeast)
	row("service time, from when sent to the end", r.ServiceMS, b.atLeast)
	row("late, from when due to when sent", r.LateMS, milliseconds)
	rows.Render()
	if r.Stored > 0 {
		fmt.Fprintf(w, "%d samples of kind bench stored\n", r.Stored)
	}
	return nil
}

// remarks tells what else there is to know about the figures.
func (b *bench) remarks(w io.Writer, t *load.Tally) {
	if t.Stopped != nil {
		fmt.Fprintf(w, "Ended before its time: %s.\n", t.Stopped)
	}
	if n := t.Requests - t.Sent; n > 0 {
		fmt.Fprintf(w, "%d were not sent, because %d were open (--max-in-flight).\n", n, b.plan.MaxInFlight)
	}
	if t.Failed() > 0 {
		fmt.Fprintf(w, "Failed requests count as at least the time-out of %s, so the mean is at least what it says. The first failed: %s.\n", b.plan.Timeout, printable(t.Failure.Error()))
	}
	if t.Again > 0 {
		fmt.Fprintf(w, "%d were sent twice, because the server closed their connection before an answer; --fresh counts that as a failure.\n", t.Again)
	}
	if t.GivenUp > 0 {
		fmt.Fprintf(w, "%d were open when the load ended and count as what they had taken.\n", t.GivenUp)
	}
}

// counted is how many requests ended in which way, the good ones first.
func counted(t *load.Tally) string {
	parts := []string{fmt.Sprintf("%d ok", t.Outcomes[schemas.OK])}
	for o := schemas.OK + 1; o <= schemas.OtherError; o++ {
		if n := t.Outcomes[o]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, o))
		}
	}
	return strings.Join(parts, ", ")
}

// atLeast is a figure of which no more is known once it has reached the time-out.
func (b *bench) atLeast(n float64) string {
	if n >= float64(b.plan.Timeout.Microseconds())/1000 {
		return "≥ " + milliseconds(n)
	}
	return milliseconds(n)
}

func milliseconds(n float64) string {
	if n < 100 {
		return fmt.Sprintf("%.2f", n)
	}
	return fmt.Sprintf("%.1f", n)
}

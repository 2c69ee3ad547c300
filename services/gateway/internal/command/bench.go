package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/pkg/env"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway/internal/importer"
	"github.com/leeward-failover/leeward/services/gateway/internal/load"
)

func benchCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "bench", Short: "Put load on an app and keep every request as a sample"}
	cmd.AddCommand(benchHTTPCommand())
	return cmd
}

// The load that needs no --heavy, and the most that one sender can be trusted with.
const (
	politeRate     = 200
	politeDuration = 5 * time.Minute
	fastest        = 20_000
)

func benchHTTPCommand() *cobra.Command {
	b := &bench{client: &client{}}
	cmd := &cobra.Command{
		Use: "http APP", Short: "Ask an app in a region at a constant rate", Args: cobra.ExactArgs(1),
		Long: "Asks an app in a region at a constant rate from where the command runs, and keeps every request as a sample of kind bench.\n\n" +
			"Each request is sent when it is due, whatever became of those before, and its latency counts from then: a server that stalls is seen as its users would see it.\n" +
			"It ends early when most requests fail, and ends well on Ctrl-C.",
		Example: "  leeward bench http shop --region frankfurt --rate 50 --duration 30s\n  leeward bench http shop --no-store --url http://127.0.0.1:8080/healthz",
		RunE: func(cmd *cobra.Command, args []string) error {
			b.app, b.cmd = args[0], cmd
			return b.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	b.client.flags(cmd)
	f.StringVar(&b.region, "region", "", "region to ask")
	f.StringVar(&b.variant, "variant", "", "variant to ask, where the region has more than one")
	f.StringVar(&b.from, "from", "", "region that the load comes from, if any")
	f.StringVar(&b.plan.URL, "url", "", "URL to ask instead of the endpoint's")
	f.Float64Var(&b.plan.Rate, "rate", 10, "requests per second")
	f.DurationVar(&b.plan.Duration, "duration", 10*time.Second, "how long requests are sent")
	f.DurationVar(&b.plan.Timeout, "timeout", 10*time.Second, "when a request is given up")
	f.IntVar(&b.plan.MaxInFlight, "max-in-flight", 1000, "how many requests may be open at once; one that is due beyond them counts as a time-out")
	f.BoolVar(&b.plan.Fresh, "fresh", false, "open a connection for each request")
	f.BoolVar(&b.plan.KeepGoing, "keep-going", false, "go on although most requests fail")
	f.BoolVar(&b.heavy, "heavy", false, fmt.Sprintf("allow more than %d requests per second, and longer than %s", politeRate, politeDuration))
	f.BoolVar(&b.noStore, "no-store", false, "print the result and store nothing; with --url it needs no installation")
	return cmd
}

// bench is one load on one target.
type bench struct {
	client                     *client
	cmd                        *cobra.Command
	plan                       load.Plan
	app, region, variant, from string
	heavy, noStore             bool
}

func (b *bench) run(ctx context.Context) error {
	if err := b.check(); err != nil {
		return err
	}
	if b.plan.URL == "" || !b.noStore {
		if err := b.locate(ctx); err != nil {
			return err
		}
	}
	file := &results{}
	if !b.noStore {
		// What can not be stored is better known before the load than after it.
		if _, err := env.Resolve(b.client.token, os.Getenv); err != nil {
			return fmt.Errorf("the API's token (--token): %w; --no-store only prints", err)
		}
		var err error
		if file, err = newResults(); err != nil {
			return err
		}
	}
	tally, err := load.Load{Plan: b.plan, Show: b.show, Each: func(s schemas.Sample) error {
		s.Region, s.Variant = b.region, b.variant
		return file.add(s)
	}}.Run(ctx)
	b.clear()
	if err != nil {
		return errors.Join(err, file.remove())
	}
	// What was measured before somebody stopped it is stored all the same.
	stored, err := b.store(context.WithoutCancel(ctx), file, tally)
	return errors.Join(b.print(tally, stored), err, ended(tally))
}

// check says everything that is wrong with the flags.
func (b *bench) check() error {
	var problems []error
	wrong := func(is bool, format string, args ...any) {
		if is {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	p := b.plan
	wrong(!(p.Rate > 0) || p.Rate > fastest, "--rate %g: from more than 0 to %d requests per second", p.Rate, fastest)
	wrong(p.Duration <= 0 || p.Duration > 24*time.Hour, "--duration %s: from more than 0 to 24h", p.Duration)
	wrong(len(problems) == 0 && p.Requests() == 0, "--rate %g for --duration %s is not one request", p.Rate, p.Duration)
	wrong(!b.heavy && p.Rate > politeRate && p.Rate <= fastest, "--rate %g: more than %d requests per second can hurt an app; --heavy allows it", p.Rate, politeRate)
	wrong(!b.heavy && p.Duration > politeDuration, "--duration %s: longer than %s; --heavy allows it", p.Duration, politeDuration)
	wrong(p.Timeout < time.Millisecond || p.Timeout > 10*time.Minute, "--timeout %s: from 1ms to 10m", p.Timeout)
	wrong(p.MaxInFlight < 1 || p.MaxInFlight > math.MaxUint16, "--max-in-flight %d: from 1 to %d", p.MaxInFlight, math.MaxUint16)
	wrong(b.region == "" && (!b.noStore || p.URL == ""), "--region: which region is asked; only --no-store with --url needs none")
	if p.URL != "" {
		u, err := url.Parse(p.URL)
		wrong(err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "", "--url %q: not a URL such as https://shop.example.net/healthz", p.URL)
	}
	problems = append(problems, b.client.checkOutput())
	return errors.Join(problems...)
}

// locate finds the endpoint in the topology. Only what the topology has is asked, unless a URL is named, and only that can be stored.
func (b *bench) locate(ctx context.Context) error {
	var answer struct{ Topology schemas.Topology }
	if _, err := b.client.call(ctx, http.MethodGet, "/v1/topology", nil, nil, &answer); err != nil {
		return err
	}
	t := answer.Topology
	if _, ok := t.Region(b.from); !ok && b.from != "" {
		return fmt.Errorf("--from %s: there is no such region in the topology", b.from)
	}
	app, ok := t.App(b.app)
	if !ok {
		return fmt.Errorf("there is no app named %s in the topology", b.app)
	}
	var here []schemas.Endpoint
	var variants []string
	for _, e := range app.Endpoints {
		if e.Region == b.region && (b.variant == "" || b.variant == e.Variant) {
			here, variants = append(here, e), append(variants, e.Variant)
		}
	}
	switch {
	case len(here) == 0 && b.variant != "":
		return fmt.Errorf("app %s has no endpoint of variant %s in region %s", b.app, b.variant, b.region)
	case len(here) == 0:
		return fmt.Errorf("app %s has no endpoint in region %s; it has them in %s", b.app, b.region, strings.Join(app.Regions(), ", "))
	case len(here) > 1:
		return fmt.Errorf("app %s has several variants in region %s: name one of %s with --variant", b.app, b.region, strings.Join(variants, ", "))
	case here[0].HTTP == "" && b.plan.URL == "":
		return fmt.Errorf("variant %s of app %s in region %s has no http in the topology: name a URL with --url", here[0].Variant, b.app, b.region)
	}
	b.variant, b.plan.URL = here[0].Variant, cmp.Or(b.plan.URL, here[0].HTTP)
	return nil
}

// store brings the results into ClickHouse as `leeward import` does, and forgets them once they are there.
func (b *bench) store(ctx context.Context, file *results, tally *load.Tally) (importer.Report, error) {
	if b.noStore || tally.Requests == 0 {
		return importer.Report{}, file.remove()
	}
	report, err := b.send(ctx, file)
	if err == nil {
		return report, file.remove()
	}
	again := "leeward import leeward " + b.app + " " + file.Name()
	if b.from != "" {
		again += " --from " + b.from
	}
	return importer.Report{}, fmt.Errorf("the samples were not stored: %w\nthey are kept; to store them: %s", err, again)
}

func (b *bench) send(ctx context.Context, file *results) (importer.Report, error) {
	if err := file.flush(); err != nil {
		return importer.Report{}, err
	}
	imported, err := importer.Read(file, "leeward", importer.Target{App: b.app, From: b.from})
	if err != nil {
		return importer.Report{}, err
	}
	err = imported.Send(func(batch *schemas.SampleBatch) error { return b.client.postSamples(ctx, batch) })
	return imported.Report, err
}

// show writes over the line on the terminal.
func (b *bench) show(t *load.Tally) {
	if !isatty.IsTerminal(os.Stderr.Fd()) {
		return
	}
	since, latency := time.Since(t.Began), t.Latency()
	fmt.Fprintf(os.Stderr, "\r\033[K%s of %s: %d requests ended, %d open, %d failed, p50 %s, p99 %s ms",
		since.Truncate(time.Second), t.Plan.Duration, t.Requests, t.Open(time.Now()), t.Failed(), b.atLeast(latency.P50), b.atLeast(latency.P99))
}

func (b *bench) clear() {
	if isatty.IsTerminal(os.Stderr.Fd()) {
		fmt.Fprint(os.Stderr, "\r\033[K")
	}
}

// ended is what the command ends with: an error when it did not do what it was asked for, though not when that was whoever asked.
func ended(t *load.Tally) error {
	switch {
	case t.Requests == 0:
		return errors.New("nothing was sent: interrupted before the first request had ended")
	case t.Reached == 0:
		return fmt.Errorf("nothing could be sent to %s: %w", t.Plan.URL, t.Failure)
	case t.Stopped == nil, errors.Is(t.Stopped, load.ErrInterrupted):
		return nil
	}
	return fmt.Errorf("ended early after %d of %d requests: %w, the first because of: %w; --keep-going goes on", t.Requests, t.Plan.Requests(), t.Stopped, t.Failure)
}

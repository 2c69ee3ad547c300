package ranker_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/chembedtest"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker"
)

// childVariable makes the test's binary the command that computes a ranking again, so that a test can run it as a process of its own.
const childVariable = "LEEWARD_TEST_RANK"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		cmd := &cobra.Command{SilenceErrors: true, SilenceUsage: true}
		cmd.AddCommand(append(ranker.Commands(), rankCommand())...)
		if err := cmd.Execute(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// rankCommand prints the ranking's JSON form as it is hashed.
func rankCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "rank APP", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, _ []string) error {
		// The gateway's answer.
		_, err := io.Copy(cmd.OutOrStdout(), os.Stdin)
		return err
	}}
	cmd.Flags().String("active", "", "")
	cmd.Flags().String("output", "table", "")
	ranker.Past(cmd, func(w io.Writer, r schemas.Ranking, _ string) error {
		data, err := json.Marshal(r)
		if err == nil {
			_, err = w.Write(data)
		}
		return err
	})
	return cmd
}

func child(t *testing.T, dsn string, procs int, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), childVariable+"=1", "LEEWARD_CLICKHOUSE_DSN=env:TEST_DSN", "TEST_DSN="+dsn, fmt.Sprintf("GOMAXPROCS=%d", procs))
	return cmd
}

// again runs a command in a process of its own.
func again(t *testing.T, dsn string, procs int, args ...string) (out, told string, err error) {
	t.Helper()
	cmd := child(t, dsn, procs, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	return stdout.String(), stderr.String(), err
}

// land inserts what matters of a ranking as the recorder does.
func land(ctx context.Context, t *testing.T, db *clickhouse.DB, r schemas.Ranking, inputs string) {
	t.Helper()
	var at []time.Time
	var app, active, region, variant, first, digest []string
	var choice []bool
	for _, o := range r.Orders {
		for _, c := range o.Candidates {
			at, app, active, region, variant = append(at, r.At), append(app, r.App), append(active, o.Active), append(region, c.Region), append(variant, c.Variant)
			choice, first, digest = append(choice, c.Candidate == o.Choice), append(first, ""), append(digest, "")
		}
	}
	first[0], digest[0] = inputs, r.Digest
	if err := db.Insert(ctx, clickhouse.Block{Table: "rankings", Token: r.At.String() + inputs, Columns: []clickhouse.Column{
		{Name: "at", Values: at}, {Name: "app", Values: app}, {Name: "active", Values: active}, {Name: "region", Values: region}, {Name: "variant", Values: variant},
		{Name: "choice", Values: choice}, {Name: "inputs", Values: first}, {Name: "digest", Values: digest},
	}}); err != nil {
		t.Fatal(err)
	}
}

// published ranks the example by a real service until there are three rankings after the first with a choice.
func published(ctx context.Context, t *testing.T, dsn string, db *clickhouse.DB) (all []schemas.Ranking) {
	t.Helper()
	topology := example(t)
	topology.Apps[0].Probe.Interval = schemas.Duration(20 * time.Second)        // so that the verdicts outlive the test
	topology.Apps[0].Failover.MaxRankingAge = schemas.Duration(4 * time.Second) // so that a ranking stands for a second at most
	server := alive(ctx, t, topology, db)
	service := start(t, server, dsn)
	defer service.stop(t)
	done := fmt.Errorf("done")
	if err := server.Connect(schemas.Recorder, "").Tail(ctx, schemas.Evaluations, 1, nil, func(m bus.Message) error {
		r, err := schemas.DecodeEvaluation(m.Subject, m.Data)
		if err != nil {
			return err
		}
		if r.Orders[0].Choice == (schemas.Candidate{}) && len(all) == 0 {
			return nil
		}
		t.Logf("inputs of %d bytes, a message of %d", len(r.Inputs), len(m.Data))
		if all = append(all, r); len(all) == 4 {
			return done
		}
		return nil
	}); err != done {
		t.Fatal(err)
	}
	return all
}

// replayed plays what is stored to the policy of the time, and to one under which what is published may not be chosen.
func replayed(t *testing.T, dsn string, rankings int, decided time.Time, to schemas.Candidate) {
	t.Helper()
	data, err := os.ReadFile("../../examples/leeward.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ old, new, want string }{
		"the same policy": {"", "", "; 0 times another choice, 0 of 1 failovers elsewhere\n"},
		"only far away":   {"min_distance_km: 300", "min_distance_km: 20000", "failover p1 at " + decided.Format(time.DateTime) + " from frankfurt/slim went to " + to.String() + ", would have gone to nowhere\n"},
		"another window":  {"window: 2m", "window: 20m", "shop.objective.window: 20m0s, but what is stored are samples of 2m0s\n"},
	} {
		policy := filepath.Join(t.TempDir(), "leeward.yaml")
		text := strings.Replace(string(data), c.old, c.new, 1)
		if c.old != "" && text == string(data) {
			t.Fatalf("the example has no %s", c.old)
		}
		if err := os.WriteFile(policy, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, told, err := again(t, dsn, 2, "replay", "--policy", policy, "--since", "1d")
		if !strings.Contains(out+told, c.want) || (err == nil) != strings.HasPrefix(out, fmt.Sprintf("shop: %d rankings from ", rankings)) {
			t.Errorf("%s: %v, %s%s", name, err, out, told)
		}
	}
}

// thinned plays one ranking of all.
func thinned(t *testing.T, dsn string) {
	t.Helper()
	out, told, err := again(t, dsn, 2, "replay", "--policy", "../../examples/leeward.yaml", "--since", "1h", "--every", "10000h")
	if err != nil || !strings.HasPrefix(out, "shop: 1 rankings from ") {
		t.Errorf("%v, %s%s", err, out, told)
	}
}

// explained shows the parts of the costs of a ranking of the past, and of the one that the gateway gives.
func explained(t *testing.T, dsn string, r schemas.Ranking) {
	t.Helper()
	out, told, err := again(t, dsn, 2, "rank", "shop", "--explain", "--at", r.At.Format(time.RFC3339Nano))
	out, judged, _ := strings.Cut(out, "\nGates, ")
	lines := strings.Split(out, "\n")
	words := func(line int) string { return strings.Join(strings.Fields(lines[line]), " ") }
	// Five vantages measure eight candidates and four databases.
	if err != nil || len(lines) != 1+1+5+1+1+5*(8+4)+1 || words(3) != "london london 0.200 equal" || !strings.HasPrefix(words(9), "dallas db_write dallas") {
		t.Errorf("%v, %s\n%s", err, told, strings.Join(lines[1:], "\n"))
	}
	rows := strings.Split(judged, "\n")
	fresh := slices.IndexFunc(rows, func(row string) bool { return strings.Contains(row, " fresh ") })
	if got, want := strings.Fields(rows[1]), "region variant gate result value threshold age evidence"; strings.Join(got, " ") != want || fresh < 0 ||
		!strings.Contains(rows[fresh], " 15 s ") {
		t.Errorf("gates:\n%.2000s", judged)
	}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	cmd := child(t, dsn, 2, "rank", "shop", "--explain")
	cmd.Stdin = bytes.NewReader(data)
	if now, err := cmd.Output(); err != nil || !strings.Contains(string(now), strings.Join(lines[1:], "\n")) || !strings.HasSuffix(string(now), "\nGates, "+judged) || !strings.HasPrefix(string(now), `{"app":"shop"`) {
		t.Errorf("of now: %v\n%s", err, now)
	}
}

func TestRankingOfThePastIsComputedAgain(t *testing.T) {
	dsn := chembedtest.Start(t)
	db := chembedtest.Migrated(t, dsn)
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	rankings := published(ctx, t, dsn, db)
	for _, r := range rankings {
		land(ctx, t, db, r, string(r.Inputs))
	}
	for _, r := range rankings {
		if r.Orders[0].Choice == (schemas.Candidate{}) || len(r.Orders[0].Stability) == 0 {
			t.Errorf("order without a choice: %s %s", r.Orders[0].Reason, r.Orders[0].Stability)
		}
	}
	r := rankings[2]
	same := func(when string, procs int) {
		t.Helper()
		out, told, err := again(t, dsn, procs, "rank", "shop", "--at", r.At.Format(time.RFC3339Nano))
		sum := sha256.Sum256([]byte(out))
		if err != nil || hex.EncodeToString(sum[:]) != r.Digest || !strings.Contains(told, "byte for byte what was published, SHA-256 "+r.Digest) {
			t.Errorf("%s, on %d processors: %v, %s", when, procs, err, told)
		}
	}
	same("as it was stored", 1)
	same("as it was stored", 8)
	for _, statement := range []string{"OPTIMIZE TABLE rankings FINAL", "OPTIMIZE TABLE samples FINAL"} {
		if err := db.Exec(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	same("after merges", 1)
	if err := db.Exec(ctx, "ALTER TABLE samples DROP PARTITION ALL"); err != nil {
		t.Fatal(err)
	}
	same("without any sample", 8)
	decided, to := rankings[3].At.Add(time.Second), rankings[3].Orders[0].Choice
	if err := db.Exec(ctx, "INSERT INTO decisions (at, app, plan, trigger, state, from_region, from_variant, region, variant, chosen) VALUES (fromUnixTimestamp64Milli({at:Int64}), 'shop', 'p1', 'alert', 'planned', 'frankfurt', 'slim', {region:String}, {variant:String}, true)",
		clickhouse.Named("at", decided.UnixMilli()), clickhouse.Named("region", to.Region), clickhouse.Named("variant", to.Variant)); err != nil {
		t.Fatal(err)
	}
	replayed(t, dsn, len(rankings), decided, to)
	thinned(t, dsn)
	explained(t, dsn, r)

	later := r
	later.At = r.At.Add(time.Minute)
	land(ctx, t, db, later, strings.Replace(string(r.Inputs), `"timeout_us":`, `"timeout_us":1`, 1))
	before := rankings[0].At.Add(-time.Millisecond).Format(time.RFC3339Nano)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"changed inputs":   {[]string{"rank", "shop", "--at", later.At.Format(time.RFC3339Nano)}, "is not what was published"},
		"too early":        {[]string{"rank", "shop", "--at", before}, "no ranking of shop is stored of the 24 hours up to"},
		"no time":          {[]string{"rank", "shop", "--at", "yesterday"}, `--at: "yesterday" is not a time such as`},
		"an unused region": {[]string{"rank", "shop", "--at", r.At.Format(time.RFC3339Nano), "--active", "oslo"}, "shop had no endpoint in a region named oslo"},
	} {
		if _, told, err := again(t, dsn, 2, c.args...); err == nil || !strings.Contains(told, c.want) {
			t.Errorf("%s: %v, %s", name, err, told)
		}
	}
	later.At, later.Digest = r.At.Add(2*time.Minute), ""
	land(ctx, t, db, later, `{"seed":"7"}`)
	if _, told, err := again(t, dsn, 2, "rank", "shop", "--at", later.At.Format(time.RFC3339Nano)); err == nil || !strings.Contains(told, "did not store all that it was computed from") {
		t.Errorf("stored by an older release: %v, %s", err, told)
	}
}

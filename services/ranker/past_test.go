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
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/pkg/chembedtest"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker"
)

// childVariable makes the test's binary the command that computes a ranking again, so that a test can run it as a process of its own.
const childVariable = "LEEWARD_TEST_RANK"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		if err := rankCommand().Execute(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// rankCommand prints the ranking's JSON form as it is hashed.
func rankCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "rank APP", Args: cobra.ExactArgs(1), SilenceErrors: true, SilenceUsage: true}
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

// again runs the command in a process of its own.
func again(t *testing.T, dsn string, procs int, args ...string) (out, told string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], append([]string{"shop"}, args...)...)
	cmd.Env = append(os.Environ(), childVariable+"=1", "LEEWARD_CLICKHOUSE_DSN=env:TEST_DSN", "TEST_DSN="+dsn, fmt.Sprintf("GOMAXPROCS=%d", procs))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	return stdout.String(), stderr.String(), err
}

// land inserts what matters of a ranking as the recorder does.
func land(ctx context.Context, t *testing.T, db *clickhouse.DB, r schemas.Ranking, inputs string) {
	t.Helper()
	first := r.Orders[0]
	if err := db.Insert(ctx, clickhouse.Block{Table: "rankings", Token: r.At.String() + inputs, Columns: []clickhouse.Column{
		{Name: "at", Values: []time.Time{r.At, r.At}}, {Name: "app", Values: []string{r.App, r.App}}, {Name: "active", Values: []string{first.Active, first.Active}},
		{Name: "place", Values: []uint16{1, 2}}, {Name: "region", Values: []string{first.Candidates[0].Region, first.Candidates[1].Region}},
		{Name: "inputs", Values: []string{inputs, ""}}, {Name: "digest", Values: []string{r.Digest, ""}},
	}}); err != nil {
		t.Fatal(err)
	}
}

// published ranks the example by a real service until there are three rankings after the first with a choice.
func published(ctx context.Context, t *testing.T, dsn string, db *clickhouse.DB) (all []schemas.Ranking) {
	t.Helper()
	topology := example(t)
	topology.Apps[0].Probe.Interval = schemas.Duration(20 * time.Second) // so that the verdicts outlive the test
	var vantages []string
	for _, v := range topology.Vantages {
		vantages = append(vantages, v.Name)
	}
	server := bustest.Start(t, vantages...)
	apply(ctx, t, server, topology)
	fill(ctx, t, db, topology)
	see(ctx, t, server, topology)
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
		t.Logf("inputs of %d bytes, %d in a message of %d", len(r.Inputs), len(m.Data)-len(all), len(m.Data))
		if all = append(all, r); len(all) == 4 {
			return done
		}
		return nil
	}); err != done {
		t.Fatal(err)
	}
	return all
}

func TestRankingOfThePastIsComputedAgain(t *testing.T) {
	dsn := chembedtest.Start(t)
	db := migrated(t, dsn)
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
		out, told, err := again(t, dsn, procs, "--at", r.At.Format(time.RFC3339Nano))
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

	later := r
	later.At = r.At.Add(time.Minute)
	land(ctx, t, db, later, strings.Replace(string(r.Inputs), `"timeout_us":`, `"timeout_us":1`, 1))
	before := rankings[0].At.Add(-time.Millisecond).Format(time.RFC3339Nano)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"changed inputs":   {[]string{"--at", later.At.Format(time.RFC3339Nano)}, "is not what was published"},
		"too early":        {[]string{"--at", before}, "no ranking of shop is stored of the 24 hours up to"},
		"no time":          {[]string{"--at", "yesterday"}, `--at: "yesterday" is not a time such as`},
		"an unused region": {[]string{"--at", r.At.Format(time.RFC3339Nano), "--active", "oslo"}, "shop had no endpoint in a region named oslo"},
	} {
		if _, told, err := again(t, dsn, 2, c.args...); err == nil || !strings.Contains(told, c.want) {
			t.Errorf("%s: %v, %s", name, err, told)
		}
	}
	later.At, later.Digest = r.At.Add(2*time.Minute), ""
	land(ctx, t, db, later, `{"seed":"7"}`)
	if _, told, err := again(t, dsn, 2, "--at", later.At.Format(time.RFC3339Nano)); err == nil || !strings.Contains(told, "did not store all that it was computed from") {
		t.Errorf("stored by an older release: %v, %s", err, told)
	}
}

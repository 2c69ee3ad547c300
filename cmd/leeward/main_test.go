package main_test

import (
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// binary builds the binary that people install, and returns its path.
func binary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "leeward")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	return path
}

// program runs that binary.
func program(t *testing.T) func(args ...string) (string, error) {
	t.Helper()
	path := binary(t)
	return func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), path, args...)
		cmd.Env = append(os.Environ(), "LEEWARD_API=http://127.0.0.1:1", "LEEWARD_STATE="+t.TempDir())
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
}

func TestCommandsTeachWhatIsWrong(t *testing.T) {
	leeward := program(t)
	example, err := os.ReadFile("../../examples/leeward.yaml")
	if err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte(strings.Replace(string(example), "    team: storefront", "    taem: storefront", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		ok   bool
		want string
	}{
		"version":                {[]string{"version"}, true, "leeward "},
		"too few arguments":      {[]string{"probe", "once", "tcp"}, false, "accepts 2 arg(s), received 1; it is leeward probe once KIND TARGET"},
		"no such subcommand":     {[]string{"override", "claer", "shop"}, false, `unknown command "claer" for "leeward override"; it is leeward override`},
		"valid topology":         {[]string{"config", "validate", "../../examples/leeward.yaml"}, true, "is valid: 4 regions, 5 vantages, 1 apps"},
		"unknown field":          {[]string{"config", "validate", bad}, false, `bad.yaml:33:5: unknown field "taem" in apps[0] (did you mean "team"?)`},
		"apply checks first":     {[]string{"apply", bad}, false, "did you mean"},
		"up checks first":        {[]string{"up", "--file", bad}, false, "did you mean"},
		"up without a file":      {[]string{"up", "--file", "/nowhere.yaml"}, false, "examples/leeward.yaml is one), or simulate regions on this machine with --loopback"},
		"two topologies":         {[]string{"up", "--loopback", "--file", "x.yaml"}, false, "--loopback has a topology of its own: leave --file out"},
		"loopback away":          {[]string{"loopback", "cut", "london"}, false, "is `leeward up --loopback` running"},
		"cut nowhere":            {[]string{"loopback", "cut", "paris"}, false, `"paris" is not a simulated place`},
		"API away":               {[]string{"rank", "shop"}, false, "is `leeward up` running?"},
		"no reason":              {[]string{"failover", "request", "shop"}, false, `required flag(s) "reason" not set`},
		"no token":               {[]string{"failover", "request", "shop", "--reason", "x"}, false, "the API's token (--token)"},
		"literal token":          {[]string{"failover", "request", "shop", "--reason", "x", "--token", "hunter2"}, false, "never the value itself"},
		"unknown format":         {[]string{"rank", "shop", "-o", "xml"}, false, "the formats are table and json"},
		"no such service":        {[]string{"serve", "moon"}, false, `invalid argument "moon"`},
		"service unsettled":      {[]string{"serve", "prober"}, false, "LEEWARD_VANTAGE: not set"},
		"sql without a DSN":      {[]string{"sql", "SELECT 1"}, false, "clickhouse-dsn"},
		"sql, two formats":       {[]string{"sql", "SELECT 1", "-o", "json", "--format", "CSV"}, false, "[format output]"},
		"sql, another output":    {[]string{"sql", "SELECT 1", "-o", "xml"}, false, "the formats are table and json; --format takes any of ClickHouse's"},
		"sql, query and file":    {[]string{"sql", "SELECT 1", "-f", bad}, false, "a query and --file: one of them"},
		"dlq, API away":          {[]string{"dlq", "list"}, false, "is `leeward up` running?"},
		"dlq, no letter":         {[]string{"dlq", "show", "x"}, false, `"x" is no letter`},
		"down without a state":   {[]string{"down"}, true, "leeward is not up"},
		"doctor, nothing there":  {[]string{"doctor"}, false, "1 of 2 checks failed"},
		"doctor, another format": {[]string{"doctor", "-o", "xml"}, false, "the formats are table and json"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := leeward(c.args...)
			if (err == nil) != c.ok || !strings.Contains(out, c.want) {
				t.Errorf("leeward %s = %v:\n%s\nwant %q", strings.Join(c.args, " "), err, out, c.want)
			}
			if strings.Contains(out, "hunter2") {
				t.Error("it shows a secret")
			}
		})
	}
}

func TestCommandsEndWhenTheyAreTold(t *testing.T) {
	path := binary(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	for name, c := range map[string]struct {
		args []string
		// waits returns once the command waits for what does not come.
		waits func(stdin io.Writer) error
	}{
		"an API that says nothing": {[]string{"rank", "shop"}, func(io.Writer) error {
			_, err := silent.Accept()
			return err
		}},
		"results without an end": {[]string{"import", "shop", "-"}, func(stdin io.Writer) error {
			// More than a pipe holds, so that some of it was read.
			_, err := stdin.Write(make([]byte, 1<<20))
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), path, c.args...)
			cmd.Env = append(os.Environ(), "LEEWARD_API=http://"+silent.Addr().String(), "LEEWARD_STATE="+t.TempDir())
			var told bytes.Buffer
			cmd.Stderr = &told
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = stdin.Close() }()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			late := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
			defer late.Stop()
			if err := c.waits(stdin); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 1 || !strings.HasSuffix(told.String(), "stopped\n") {
				t.Errorf("%v: %q, want to be told that it was stopped", err, told.String())
			}
		})
	}
}

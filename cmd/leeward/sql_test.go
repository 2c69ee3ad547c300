package main_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/leeward-failover/leeward/pkg/chembedtest"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
)

// database is a ClickHouse with a table, and the environment of who asks it.
func database(t *testing.T) (env []string) {
	t.Helper()
	dsn := chembedtest.Start(t)
	db, err := clickhouse.Open(dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, statement := range []string{
		"CREATE TABLE ships (name String COMMENT 'As painted on the bow', length UInt16) ENGINE = MergeTree ORDER BY name COMMENT 'What floats'",
		"INSERT INTO ships VALUES ('Preussen', 132)",
	} {
		if err := db.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	return append(os.Environ(), "TEST_DSN="+dsn, "NOBODY=http://127.0.0.1:1/default", "LEEWARD_CLICKHOUSE_DSN=env:TEST_DSN", "LEEWARD_STATE="+t.TempDir(), "XDG_CACHE_HOME="+t.TempDir(), "TERM=xterm")
}

func TestSQLAsksAQueryAFileOrAPipe(t *testing.T) {
	path, env := binary(t), database(t)
	file := filepath.Join(t.TempDir(), "two.sql")
	if err := os.WriteFile(file, []byte("SELECT 1; -- and; then\nSELECT\n ';';"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args        []string
		stdin       string
		out, errors string
		ok          bool
	}{
		"in a pipe, tab-separated":   {args: []string{"SELECT 1, 'a'"}, out: "1\ta\n", ok: true},
		"as a table":                 {args: []string{"SELECT 1 AS x", "-o", "table"}, out: "   ┌─x─┐\n1. │ 1 │\n   └───┘\n", ok: true},
		"in any format":              {args: []string{"SELECT 1 AS x", "--format", "CSVWithNames"}, out: "\"x\"\n1\n", ok: true},
		"as the query says":          {args: []string{"SELECT 1 AS x FORMAT JSONEachRow", "--format", "CSV"}, out: "{\"x\":1}\n", ok: true},
		"two queries":                {args: []string{"SELECT 1; SELECT 2;"}, out: "1\n2\n", ok: true},
		"bytes stay bytes in a pipe": {args: []string{"SELECT 'a\x1b[2J' FORMAT TSVRaw"}, out: "a\x1b[2J\n", ok: true},
		"a file":                     {args: []string{"-f", file}, out: "1\n;\n", ok: true},
		"standard input":             {stdin: "SELECT 1;\nSELECT 2", out: "1\n2\n", ok: true},
		"one of three fails":         {stdin: "SELECT 1;\nSELECT x;\nSELECT 3;", out: "1\n3\n", errors: "code 47: Unknown expression identifier `x`"},
		"and is counted":             {stdin: "SELECT 1;\nSELECT x;\nSELECT 3;", out: "1\n3\n", errors: "1 of 3 statements failed"},
		"nothing":                    {stdin: " -- nothing\n", errors: "there is no statement to ask"},
		"an open quote":              {stdin: "SELECT 1; SELECT 'x", out: "1\n", errors: "quote ' is not closed"},
		"no such file":               {args: []string{"-f", file + "x"}, errors: "no such file"},
		"no such format":             {args: []string{"SELECT 1", "--format", "Fancy"}, errors: "Unknown format Fancy. (UNKNOWN_FORMAT); SELECT name FROM system.formats WHERE is_output lists those there are"},
		"no such format in a query":  {args: []string{"SELECT 1 FORMAT Fancy"}, errors: "Unknown format Fancy. (UNKNOWN_FORMAT); SELECT name FROM system.formats"},
		"no name of a format":        {args: []string{"SELECT 1", "--format", "C S V"}, errors: `invalid format name "C S V"`},
		"another's file":             {args: []string{"SELECT 1 INTO OUTFILE 'x' FORMAT CSV"}, errors: "send standard output to a file"},
		"another database":           {args: []string{"USE system"}, errors: "write database.table"},
		"no SQL":                     {args: []string{"SELEC 1"}, errors: ", …\n"},
		"no change of data":          {args: []string{"INSERT INTO ships VALUES ('x', 1)"}, errors: "readonly mode"},
		"no change of a table":       {args: []string{"DROP TABLE ships"}, errors: "readonly mode"},
		"no change of settings":      {args: []string{"SET readonly = 0"}, errors: "readonly mode"},
		"nor beside a query":         {args: []string{"SELECT 1 SETTINGS readonly = 0"}, errors: "readonly mode"},
		"no end of others' queries":  {args: []string{"KILL QUERY WHERE 1"}, errors: "KILL ends what others run"},
		"nor after a comment":        {args: []string{"--", "-- x\nkill query where 1"}, errors: "KILL ends what others run"},
		"a comment for a flag":       {args: []string{"-- x\nSELECT 1"}, errors: "leeward sql -- QUERY"},
		"nobody there":               {args: []string{"--dsn", "env:NOBODY", "SELECT 1"}, errors: "is `leeward up` running, or does --dsn name another one? dial tcp 127.0.0.1:1: connect: connection refused\n"},
		"a command in an error":      {args: []string{"SELECT throwIf(1, 'a\x1b[2Jb')"}, errors: "a\uFFFD[2Jb"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), path, append([]string{"sql"}, c.args...)...)
			var out, errs bytes.Buffer
			cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, strings.NewReader(c.stdin), &out, &errs
			err := cmd.Run()
			if (err == nil) != c.ok || out.String() != c.out || !strings.Contains(errs.String(), c.errors) || c.ok && errs.Len() > 0 {
				t.Errorf("%v: %q and %q, want %q and %q", err, out.String(), errs.String(), c.out, c.errors)
			}
		})
	}
}

// terminal is a person's, with the shell on it.
type terminal struct {
	t   *testing.T
	tty *os.File
	cmd *exec.Cmd

	mu    sync.Mutex
	shown strings.Builder
	// seen is how much was waited for already.
	seen int
	done chan struct{}
}

func open(t *testing.T, path string, env []string, args ...string) *terminal {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = env
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: 200})
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, tty: tty, cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(term.done)
		buf := make([]byte, 4096)
		for {
			n, err := tty.Read(buf)
			term.mu.Lock()
			term.shown.Write(buf[:n])
			term.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = tty.Close()
		<-term.done
	})
	return term
}

func (term *terminal) types(text string) {
	term.t.Helper()
	if _, err := io.WriteString(term.tty, text); err != nil {
		term.t.Fatal(err)
	}
}

// shows waits for a text behind what was waited for before, and returns all that came up to its end.
func (term *terminal) shows(want string) string {
	term.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		term.mu.Lock()
		all := term.shown.String()
		term.mu.Unlock()
		if i := strings.Index(all[term.seen:], want); i >= 0 {
			part := all[term.seen : term.seen+i+len(want)]
			term.seen += len(part)
			return part
		}
		if time.Now().After(deadline) {
			term.t.Fatalf("%q is not in %q", want, all[term.seen:])
		}
	}
}

// ends waits until the shell has ended, and returns its exit code; -1 for a signal.
func (term *terminal) ends() int {
	term.t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- term.cmd.Wait() }()
	select {
	case err := <-ended:
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return exit.ExitCode()
		}
		if err != nil {
			term.t.Fatal(err)
		}
		return 0
	case <-time.After(10 * time.Second):
		term.t.Fatal("the shell has not ended")
		return 0
	}
}

func TestSQLShellOnATerminal(t *testing.T) {
	path, env := binary(t), database(t)
	shell := open(t, path, env, "sql")
	shell.shows("leeward> ")

	shell.types("\\d\r")
	shell.shows("ships")
	shell.shows("What floats")
	shell.shows("leeward> ")
	shell.types("\\d ships\r")
	shell.shows("As painted on the bow")
	shell.shows("leeward> ")
	shell.types("\\d shops\r")
	shell.shows("there is no table shops")
	shell.types("\\x\r")
	shell.shows(`there is no \x`)
	shell.shows("leeward> ")
	shell.types("help\r")
	shell.shows("A statement ends with ;")
	shell.shows("leeward> ")

	shell.types("SELECT name,\r")
	shell.shows("      -> ")
	shell.types("length FROM ships;\r")
	shell.shows("│ Preussen │")
	shell.shows("1 row in 0.")
	shell.shows("leeward> ")
	shell.types("SELECT number, 'a\\nb' FROM numbers(3);\r")
	shell.shows("3 rows in 0.")
	shell.types("SELECT 1 WHERE 0;\r")
	shell.shows("0 rows in 0.")
	shell.types("SELECT 1 AS x FORMAT Vertical;\r")
	shell.shows("Row 1:")
	shell.shows("1 row in 0.")
	shell.shows("leeward> ")

	// What would clear the screen is shown, and not obeyed.
	shell.types("SELECT 'a\\x1b[2J\\x9b2Jb' AS x, char(155) AS y FORMAT TSVRaw;\r")
	shell.shows("FORMAT TSVRaw;")
	if got := shell.shows("in 0."); !strings.Contains(got, "a\uFFFD[2J\uFFFD2Jb\t\uFFFD") || strings.Contains(got, "\x1b[2J") {
		t.Errorf("a command got through: %q", got)
	}
	shell.shows("leeward> ")
	shell.types("SELECT nothing;\r")
	shell.shows("code 47: Unknown expression identifier `nothing`")
	shell.shows("leeward> ")
	shell.types("DROP TABLE ships;\r")
	shell.shows("readonly mode")
	shell.shows("leeward> ")

	// Ctrl-C stops what runs, or gives up what was typed, and the shell stays.
	shell.types("SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number));\r")
	shell.shows("sipHash64(number));")
	time.Sleep(300 * time.Millisecond) // until it runs; there is nothing to see of that
	began := time.Now()
	shell.types("\x03")
	shell.shows("stopped")
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v to stop", took)
	}
	shell.shows("leeward> ")
	shell.types("SELECT 'x\r")
	shell.shows("      -> ")
	shell.types("\x03")
	shell.shows("leeward> ")
	shell.types("SELECT 6 * 7;\r")
	shell.shows("42")
	shell.shows("leeward> ")

	shell.types("\x04")
	if code := shell.ends(); code != 0 {
		t.Errorf("left by Ctrl-D it ends with %d", code)
	}
}

func TestSQLShellKeepsItsHistoryAndLeavesTheTerminalWell(t *testing.T) {
	path, env := binary(t), database(t)
	first := open(t, path, env, "sql", "--format", "TSV")
	first.shows("leeward> ")
	first.types("SELECT 'before';\r")
	first.shows("1 row in")
	first.types("exit;\r")
	if code := first.ends(); code != 0 {
		t.Errorf("exit ends with %d", code)
	}
	second := open(t, path, env, "sql", "--format", "TSV")
	second.shows("leeward> ")
	second.types("\x1b[A") // up
	second.shows("exit;")
	second.types("\x1b[A")
	second.shows("'before';")
	second.types("\r")
	second.shows("1 row in")
	second.shows("leeward> ")
	if err := second.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := second.ends(); code != 1 {
		t.Errorf("told to end it ends with %d, want 1", code)
	}
	kept, err := filepath.Glob(filepath.Join(cacheOf(env), "leeward", "sql-history"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("the history is %v: %v", kept, err)
	}
	if info, err := os.Stat(kept[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the history is %v: %v", info.Mode(), err)
	}
}

// cacheOf is the folder of caches in an environment, whose last entry counts.
func cacheOf(env []string) (cache string) {
	for _, e := range env {
		if value, ok := strings.CutPrefix(e, "XDG_CACHE_HOME="); ok {
			cache = value
		}
	}
	return cache
}

package prepare_test

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/leeward-failover/leeward/pkg/mariadbtest"
	"github.com/leeward-failover/leeward/pkg/postgrestest"
	"github.com/leeward-failover/leeward/pkg/redistest"
	"github.com/leeward-failover/leeward/pkg/socks"
	"github.com/leeward-failover/leeward/services/prober/internal/command/prepare"
	"github.com/leeward-failover/leeward/services/prober/internal/database"
)

// password has what has to be quoted.
const password = `it's\"$1%s#`

// run runs leeward db prepare and returns what it prints.
func run(args ...string) (string, error) {
	var out bytes.Buffer
	cmd := prepare.Command()
	cmd.SetArgs(append([]string{"prepare"}, args...))
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	err := cmd.ExecuteContext(context.Background())
	return out.String(), err
}

// prepared prepares a database twice, checks what is said of it, and returns the probers' URL.
func prepared(t *testing.T, url string) string {
	t.Helper()
	t.Setenv("ADMIN_URL", url)
	t.Setenv("PROBER_PASSWORD", password)
	probers := ""
	for range 2 {
		out, err := run("env:ADMIN_URL", "--password-from", "env:PROBER_PASSWORD")
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(`checked: primary-\S+ answers leeward_prober; a read took \S+, a write \S+\nthe probers' URL, to be kept where a reference finds it: (\S+)\n`).FindStringSubmatch(out)
		if found == nil || strings.Contains(out, password) || strings.Contains(out, "secret-word") {
			t.Fatalf("it said:\n%s", out)
		}
		probers = strings.Replace(found[1], "the-password", "it%27s%5C%22$1%25s%23", 1)
	}
	d := database.Pool{Vantage: "london", Dial: socks.Dialer{}.DialContext, Resolve: func(ref string) (string, error) { return ref, nil }}
	defer d.Close(t.Context())
	for _, r := range []database.Result{d.Write(t.Context(), probers), d.Read(t.Context(), probers), d.Fresh(t.Context(), probers)} {
		if r.Err != nil || r.Heartbeat.Token == 0 {
			t.Errorf("the URL that was printed: %+v", r)
		}
	}
	return probers
}

// printed returns the statements that --print shows, with the password in its place.
func printed(t *testing.T, url, role, password string) []string {
	t.Helper()
	out, err := run(url, "--print", "--role", role)
	if err != nil || strings.Contains(out, "secret-word") {
		t.Fatalf("%v:\n%s", err, out)
	}
	return strings.Split(strings.TrimSpace(strings.ReplaceAll(out, "the-password", password)), "\n")
}

func TestPostgres(t *testing.T) {
	s := postgrestest.Start(t)
	s.RequirePassword("leeward_prober")
	s.Do("CREATE TABLE orders (id int)")
	prepared(t, s.URL())
	if n := s.Do("SELECT string_agg(vantage, ',') FROM leeward_heartbeat"); n != "london" {
		t.Errorf("heartbeats of %s are left, want the prober's only", n)
	}
	if text := s.Do("SELECT rolpassword FROM pg_authid WHERE rolname = 'leeward_prober'"); !strings.HasPrefix(text, "SCRAM-SHA-256$4096:") {
		t.Errorf("the server keeps %s", text)
	}
	for _, forbidden := range []string{"SELECT * FROM orders", "DELETE FROM leeward_heartbeat", "TRUNCATE leeward_heartbeat", "CREATE TABLE t (a int)", "DROP TABLE leeward_heartbeat", "CREATE ROLE r"} {
		if out, err := s.Try("SET ROLE leeward_prober; " + forbidden); err == nil || !strings.Contains(out, "permission denied") && !strings.Contains(out, "must be owner") {
			t.Errorf("the role may %s: %v %s", forbidden, err, out)
		}
	}
	for _, statement := range printed(t, s.URL(), "another", "x") {
		s.Do(statement)
	}
	s.Do("SET ROLE another; SELECT * FROM leeward_heartbeat")
	s.Do("CREATE ROLE small LOGIN")
	teaches(t, "as an owner of the database", strings.Replace(s.URL(), "//postgres:", "//small:", 1))
	teaches(t, "prepare the primary", s.Follow().URL())
}

func TestMariaDB(t *testing.T) {
	s := mariadbtest.Start(t)
	s.Do("CREATE TABLE orders (id int)")
	prepared(t, s.URL())
	if n := s.Do("SELECT GROUP_CONCAT(vantage) FROM leeward_heartbeat"); n != "london" {
		t.Errorf("heartbeats of %s are left, want the prober's only", n)
	}
	if grants := strings.Split(s.Do("SHOW GRANTS FOR leeward_prober"), "\n"); len(grants) != 2 || !strings.HasPrefix(grants[0], "GRANT USAGE ON *.*") ||
		grants[1] != "GRANT SELECT, INSERT, UPDATE ON `shop`.`leeward_heartbeat` TO `leeward_prober`@`%`" {
		t.Errorf("the role may %q", grants)
	}
	for _, statement := range printed(t, s.URL(), "another", "x") {
		s.Do(statement)
	}
	s.Do("CREATE USER small@'127.0.0.1' IDENTIFIED BY 'secret-word'; GRANT SELECT ON shop.* TO small@'127.0.0.1'")
	teaches(t, "who may CREATE tables and users", strings.Replace(s.URL(), "admin:", "small:", 1))
	teaches(t, "names no database", strings.TrimSuffix(s.URL(), "/shop"))
	s.Do("SET GLOBAL read_only = 1")
	teaches(t, "prepare the primary", s.URL())
}

func TestRedis(t *testing.T) {
	s := redistest.Start(t)
	s.Do("SET", "order:1", "lantern")
	prepared(t, s.URL())
	folder := strings.Split(s.Do("CONFIG", "GET", "dir"), "\n")[1]
	if kept, err := os.ReadFile(folder + "/redis.conf"); err != nil || !strings.Contains(string(kept), "user leeward_prober on ") {
		t.Errorf("the role is not kept: %v", err)
	}
	for _, forbidden := range []string{"GET order:1", "SET order:1 oilskin", "XADD orders * a b", "DEL leeward:heartbeat", "SET leeward:heartbeat a", "FLUSHALL", "KEYS *", "CONFIG GET *", "ACL LIST"} {
		command := append([]string{"ACL", "DRYRUN", "leeward_prober"}, strings.Fields(forbidden)...)
		if out := s.Do(command...); !strings.Contains(out, "no permissions") {
			t.Errorf("the role may %s: %s", forbidden, out)
		}
	}
	for _, statement := range printed(t, s.URL(), "another", "x") {
		s.Do(strings.Fields(statement)...)
	}
	s.Do("ACL", "SETUSER", "small", "on", ">secret-word", "+info", "+client")
	teaches(t, "the rules that --print prints", strings.Replace(s.URL(), "//:", "//small:", 1))

	replica := s.Follow()
	out, err := run(replica.URL(), "--password-from", "env:PROBER_PASSWORD")
	if err != nil || !strings.Contains(out, "it is a replica") {
		t.Errorf("a replica: %v\n%s", err, out)
	}
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	out, err = run(s.URL(), "--password-from", "env:PROBER_PASSWORD")
	if err != nil || !strings.Contains(out, "the role is gone when the server restarts") || !strings.Contains(out, "checked: primary-") {
		t.Errorf("a role that can not be kept: %v\n%s", err, out)
	}
}

// teaches prepares a database that can not be prepared.
func teaches(t *testing.T, want, url string) {
	t.Helper()
	out, err := run(url, "--password-from", "env:PROBER_PASSWORD")
	if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret-word") || strings.Contains(err.Error(), password) {
		t.Errorf("%v, want %q; it said:\n%s", err, want, out)
	}
}

func TestErrorsTeach(t *testing.T) {
	t.Setenv("PASSWORD", "hunter2")
	t.Setenv("BAD_PASSWORD", "two words")
	const url = "postgres://admin:secret-word@127.0.0.1:1/shop"
	for want, args := range map[string][]string{
		"--password-from is missing":                        {url},
		"the variable NOBODY is not set":                    {url, "--password-from", "env:NOBODY"},
		"a secret is a reference":                           {"secret-word", "--password-from", "env:PASSWORD"},
		"begins with none of postgres://":                   {"mongodb://admin:secret-word@h/d", "--print"},
		"can not be read: write engine://":                  {"postgres://admin:secret-word@[h/d", "--print"},
		`"Robert'" is not a role that every database takes`: {url, "--print", "--role", "Robert'"},
		"admin is who the URL connects as":                  {url, "--print", "--role", "admin"},
		"openssl rand":                                      {url, "--password-from", "env:BAD_PASSWORD"},
		"connection refused":                                {url, "--password-from", "env:PASSWORD"},
	} {
		out, err := run(args...)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error()+out, "secret-word") || strings.Contains(err.Error()+out, "hunter2") {
			t.Errorf("%v: %v, want %q; it said:\n%s", args[1:], err, want, out)
		}
	}
}

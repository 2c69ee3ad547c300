package world_test

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// mariaDB is a server of the test's own, made while the test does other things.
type mariaDB struct {
	folder   string
	prepared chan error
}

// prepareMariaDB begins to make a server's tables of its own, which takes seconds.
func prepareMariaDB(t *testing.T) *mariaDB {
	t.Helper()
	for _, name := range []string{"mariadbd", "mariadb-install-db"} {
		_, err := exec.LookPath(name)
		need(t, err == nil, name+" is not installed (tools/install.sh)")
	}
	m := &mariaDB{folder: t.TempDir(), prepared: make(chan error, 1)}
	install := exec.CommandContext(t.Context(), "mariadb-install-db", "--no-defaults", "--user=root", "--skip-test-db", "--auth-root-authentication-method=normal", "--datadir="+m.folder, "--tmpdir="+m.folder)
	go func() {
		out, err := install.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("mariadb-install-db: %w: %s", err, out)
		}
		m.prepared <- err
	}()
	return m
}

// start starts the server with the shop's tables and a role for it, and returns the connection string.
func (m *mariaDB) start(t *testing.T) string {
	t.Helper()
	if err := <-m.prepared; err != nil {
		t.Fatal(err)
	}
	schema, err := os.ReadFile("../../examples/shop/schema/mariadb.sql")
	if err != nil {
		t.Fatal(err)
	}
	// The server runs one statement per line of its init file.
	statements := "CREATE DATABASE shop;\nUSE shop;\n" + oneLineEach(string(schema)) +
		"CREATE USER shop@'127.0.0.1' IDENTIFIED BY 'of oak';\nGRANT SELECT, INSERT ON shop.* TO shop@'127.0.0.1';\n"
	file := filepath.Join(m.folder, "shop.sql")
	if err := os.WriteFile(file, []byte(statements), 0o600); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	server := exec.Command("mariadbd", "--no-defaults", "--user=root", "--datadir="+m.folder, "--tmpdir="+m.folder, "--bind-address=127.0.0.1", fmt.Sprintf("--port=%d", port),
		"--socket="+filepath.Join(m.folder, "s"), "--pid-file="+filepath.Join(m.folder, "pid"), "--init-file="+file, "--skip-name-resolve")
	run(t, server)
	return fmt.Sprintf("mysql://shop:of%%20oak@127.0.0.1:%d/shop", port)
}

// oneLineEach puts every statement of a script on a line and leaves comments out.
func oneLineEach(script string) string {
	var text strings.Builder
	for line := range strings.Lines(script) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "--")
		text.WriteString(line + " ")
		if strings.HasSuffix(line, ";") {
			text.WriteString("\n")
		}
	}
	return text.String()
}

// check runs what is in two images, Node.js and Go, on this machine: with MariaDB, with a database that is away, and with none.
func (m *mariaDB) check(t *testing.T, slim, static v1.Image) {
	node, binary := unpacked(t, slim), unpacked(t, static)
	url := m.start(t)
	for name, argv := range map[string][]string{"node": {"node", "server.cjs"}, "go": {filepath.Join(binary, "shop")}} {
		shop := func(t *testing.T, env ...string) contract {
			port := freePort(t)
			cmd := exec.Command(argv[0], argv[1:]...)
			cmd.Dir = filepath.Join(node, "app")
			cmd.Env = append(os.Environ(), append(env, "HOST=127.0.0.1", fmt.Sprintf("PORT=%d", port), "LEEWARD_REGION=here", "LEEWARD_VARIANT="+name, "LEEWARD_IMAGE=sha256:1")...)
			run(t, cmd)
			c := contract{url: fmt.Sprintf("http://127.0.0.1:%d", port), image: "sha256:1"}
			eventually(t, 20*time.Second, func() (err error) {
				c.instance, err = try(c.url + "/healthz")
				return err
			})
			return c
		}
		t.Run(name+" with MariaDB", func(t *testing.T) {
			c := shop(t, "DATABASE_URL="+url)
			eventually(t, 20*time.Second, func() error { _, err := try(c.url + "/api/products"); return err })
			c.check(t)
		})
		t.Run(name+" reads from the replica", func(t *testing.T) {
			c := shop(t, "DATABASE_URL=mysql://shop@127.0.0.1:1/shop", "DATABASE_READ_URL="+url)
			c.do(t, "GET", "/api/products", "")
			c.problem(t, "POST", "/api/orders", `{"product_id":1,"quantity":1}`, http.StatusServiceUnavailable, "the database does not answer")
			if a := c.do(t, "GET", "/healthz", ""); !strings.Contains(a.body, `"read":"up"`) || !strings.Contains(a.body, `"write":"down"`) {
				t.Errorf("health does not tell the replica, which is up, from the primary, which is not: %s", a.body)
			}
		})
		for about, away := range map[string]string{"PostgreSQL": "postgres://shop@127.0.0.1:1/shop?sslmode=disable", "MariaDB": "mysql://shop@127.0.0.1:1/shop", "database": ""} {
			t.Run(name+" without "+about, func(t *testing.T) {
				c := shop(t, "DATABASE_URL="+away)
				detail := "the database does not answer"
				if away == "" {
					detail = "no database is configured"
				}
				c.problem(t, "GET", "/api/products", "", http.StatusServiceUnavailable, detail)
				c.problem(t, "POST", "/api/orders", `{"product_id":1,"quantity":1}`, http.StatusServiceUnavailable, detail)
				c.healthz(t)
				c.page(t)
			})
		}
	}
}

// run starts a program that the test's end ends.
func run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", cmd.Path, out.String())
		}
	})
}

// unpacked puts the files of an image below /app and /shop into a folder.
func unpacked(t *testing.T, image v1.Image) string {
	t.Helper()
	folder := t.TempDir()
	content := mutate.Extract(image)
	defer content.Close()
	for archive := tar.NewReader(content); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return folder
		}
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Clean("/" + header.Name)
		if header.Typeflag != tar.TypeReg || (name != "/shop" && !strings.HasPrefix(name, "/app/")) {
			continue
		}
		data, err := io.ReadAll(archive)
		if err == nil {
			err = errors.Join(os.MkdirAll(filepath.Dir(folder+name), 0o755), os.WriteFile(folder+name, data, 0o755))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// freePort returns a loopback port that was free a moment ago.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Package gittest serves a git repository over HTTP with git's own server program, for tests.
package gittest

import (
	"net/http"
	"net/http/cgi" //nolint:gosec // what it warns of was mended in Go 1.6.3
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Branch is the branch that commits go to.
const Branch = "main"

// Server is a repository with a server in front of it.
type Server struct {
	t    *testing.T
	work string
	// URL is the repository's address.
	URL string
	// Close ends the server, as the test's end does.
	Close func()
}

// Start serves an empty repository. A token that is not empty is needed to read it. Without git the test fails in CI and is skipped elsewhere.
func Start(t *testing.T, token string) *Server {
	t.Helper()
	program, err := exec.LookPath("git")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("missing: git (tools/install.sh installs it)")
		}
		t.Skip("missing: git (tools/install.sh installs it)")
	}
	root := t.TempDir()
	s := &Server{t: t, work: filepath.Join(root, "work")}
	s.run(root, "init", "--quiet", "--bare", "--initial-branch="+Branch, "shop.git")
	s.run(root, "clone", "--quiet", "shop.git", "work")
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(s.run(root, "--exec-path")), "git-http-backend"), Dir: root,
		Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "PATH=" + filepath.Dir(program)}, InheritEnv: []string{"LD_LIBRARY_PATH"},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); token != "" && password != token {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.URL, s.Close = server.URL+"/shop.git", server.Close
	return s
}

// Commit writes files, pushes them as one commit, and returns it.
func (s *Server) Commit(files map[string]string) string {
	s.t.Helper()
	for name, text := range files {
		path := filepath.Join(s.work, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
	s.run(s.work, "add", "--all")
	s.run(s.work, "commit", "--quiet", "--allow-empty", "--message=a change")
	s.run(s.work, "push", "--quiet", "origin", "HEAD:refs/heads/"+Branch)
	return strings.TrimSpace(s.run(s.work, "rev-parse", "HEAD"))
}

func (s *Server) run(dir string, args ...string) string {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), "git", args...)
	cmd.Dir = dir
	// Nothing of the machine's own settings.
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=ada", "GIT_AUTHOR_EMAIL=ada@example.com", "GIT_COMMITTER_NAME=ada", "GIT_COMMITTER_EMAIL=ada@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("git %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

package baseimage

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// goVersion is the true version of this machine's Go, by which its image is named, and the folder it is in.
func goVersion(ctx context.Context) (version, root string, err error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOVERSION", "GOROOT").Output()
	if err != nil {
		return "", "", fmt.Errorf("ask go for its version: %w", err)
	}
	version, root, _ = strings.Cut(strings.TrimSpace(string(out)), "\n")
	return strings.TrimPrefix(version, "go"), root, nil
}

// addGo adds this machine's Go in /usr/local/go: what it takes to build programs, without Go's own tests, manuals and
// the source of its tools.
func (t tree) addGo(ctx context.Context, root string) error {
	t.dir("usr/local/go", 0o755)
	for _, name := range []string{"bin", "lib", "pkg", "src", "VERSION", "go.env"} {
		if err := t.addFolder("usr/local/go/"+name, filepath.Join(root, name)); err != nil {
			return err
		}
	}
	if err := t.addBuildCache(ctx); err != nil {
		return err
	}
	for name := range t {
		if strings.HasPrefix(name, "usr/local/go/src/cmd/") || strings.HasSuffix(name, "_test.go") || strings.Contains(name, "/testdata/") {
			delete(t, name)
		}
	}
	return nil
}

// common are packages of the standard library that web programs are made of, with all that these need.
var common = []string{"database/sql", "embed", "encoding/json", "log/slog", "mime", "net/http", "os/signal", "regexp", "text/template"}

// addBuildCache adds what compiling the standard library leaves behind, as Go looks for it in a container: a build in a
// world that is new then compiles only what is the program's own, which takes a second instead of half a minute of work.
func (t tree) addBuildCache(ctx context.Context) error {
	cache, err := os.MkdirTemp("", "leeward-go-build-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(cache) }()
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-trimpath"}, common...)...)
	cmd.Dir = cache // outside any module
	cmd.Env = append(os.Environ(), "GOCACHE="+cache, "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("compile the standard library: %w: %s", err, out)
	}
	t.dir("root/.cache", 0o755)
	return t.addFolder("root/.cache/go-build", cache)
}

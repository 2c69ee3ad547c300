package baseimage

import (
	"context"
	"fmt"
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
func (t tree) addGo(root string) error {
	t.dir("usr/local/go", 0o755)
	for _, name := range []string{"bin", "lib", "pkg", "src", "VERSION", "go.env"} {
		if err := t.addFolder("usr/local/go/"+name, filepath.Join(root, name)); err != nil {
			return err
		}
	}
	for name := range t {
		if strings.HasPrefix(name, "usr/local/go/src/cmd/") || strings.HasSuffix(name, "_test.go") || strings.Contains(name, "/testdata/") {
			delete(t, name)
		}
	}
	return nil
}

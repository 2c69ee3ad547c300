package source_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leeward-failover/leeward/services/builder/internal/source"
)

// folder is a build context in a build root, changed a step at a time.
type folder struct {
	t    *testing.T
	root string
}

func newFolder(t *testing.T) folder {
	f := folder{t, t.TempDir()}
	f.write("Dockerfile", "FROM scratch\nCOPY . /\n")
	f.write("a.txt", "a")
	return f
}

func (f folder) path(name string) string { return filepath.Join(f.root, "app", name) }

func (f folder) write(name, text string) {
	f.t.Helper()
	if err := os.MkdirAll(filepath.Dir(f.path(name)), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(f.path(name), []byte(text), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

func (f folder) hash() string {
	f.t.Helper()
	c, err := source.Open(f.root, "app", "", nil)
	if err != nil {
		f.t.Fatal(err)
	}
	defer c.Close()
	h, err := c.Hash(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return h
}

func TestHashChangesWithWhatIsBuiltAndWithNothingElse(t *testing.T) {
	f := newFolder(t)
	last := f.hash()
	for _, step := range []struct {
		name    string
		do      func()
		changes bool
	}{
		{"touched", func() { f.write("a.txt", "a") }, false},
		{"content", func() { f.write("a.txt", "b") }, true},
		{"renamed", func() { _ = os.Rename(f.path("a.txt"), f.path("b.txt")) }, true},
		{"executable", func() { _ = os.Chmod(f.path("b.txt"), 0o755) }, true},
		{"readable by others", func() { _ = os.Chmod(f.path("b.txt"), 0o711) }, false},
		{"link", func() { _ = os.Symlink("b.txt", f.path("link")) }, true},
		{"link elsewhere", func() { _ = os.Remove(f.path("link")); _ = os.Symlink("/etc/passwd", f.path("link")) }, true},
		{"ignore file", func() { f.write(".dockerignore", "tmp\nDockerfile\n") }, true},
		{"ignored", func() { f.write("tmp/x", "x") }, false},
		{"ignored Dockerfile", func() { f.write("Dockerfile", "FROM scratch\nCOPY b.txt /\n") }, true},
	} {
		step.do()
		now := f.hash()
		if (now != last) != step.changes {
			t.Errorf("%s: changed is %v, want %v", step.name, now != last, step.changes)
		}
		last = now
	}
}

func TestOpenRefusesWhatLeadsOutOrRunsAnotherFrontend(t *testing.T) {
	f := newFolder(t)
	outside := t.TempDir()
	_ = os.WriteFile(filepath.Join(outside, "Dockerfile"), []byte("FROM scratch\n"), 0o600)
	_ = os.Symlink(outside, filepath.Join(f.root, "linked"))
	_ = os.Symlink(filepath.Join(outside, "Dockerfile"), f.path("Linkfile"))
	f.write("Syntaxfile", "# syntax=docker/dockerfile:1\nFROM scratch\n")
	for name, test := range map[string]struct {
		folder, dockerfile string
		args               map[string]string
		want               string
	}{
		"above the root":     {"../" + filepath.Base(outside), "", nil, "escapes"},
		"absolute":           {outside, "", nil, "escapes"},
		"linked folder":      {"linked", "", nil, "escapes"},
		"linked Dockerfile":  {"app", "Linkfile", nil, "escapes"},
		"Dockerfile outside": {"app", "../../x", nil, "escapes"},
		"no Dockerfile":      {"app", "None", nil, "no such file"},
		"syntax line":        {"app", "Syntaxfile", nil, "# syntax="},
		"syntax argument":    {"app", "", map[string]string{"BUILDKIT_SYNTAX": "x"}, "BUILDKIT_SYNTAX"},
	} {
		c, err := source.Open(f.root, test.folder, test.dockerfile, test.args)
		if err == nil {
			c.Close()
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error that says %q", name, err, test.want)
		}
	}
}

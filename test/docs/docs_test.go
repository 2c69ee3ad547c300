// Package docs_test holds the documents to what is there: every file they link to or name, and every identifier the walk through the code names.
package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var (
	link = regexp.MustCompile(`\]\(([^)#]+)\)`)
	code = regexp.MustCompile("`([^`]+)`")
	path = regexp.MustCompile(`^(schemas|pkg|services|cmd|test|docs|examples|tools|deploy)(/[A-Za-z0-9_.-]+)+$`)
)

func TestEveryLinkAndPathInTheDocumentsExists(t *testing.T) {
	documents, err := filepath.Glob(filepath.Join(root, "docs/*.md"))
	if err != nil || len(documents) < 2 {
		t.Fatalf("documents %v: %v", documents, err)
	}
	more, err := filepath.Glob(filepath.Join(root, "*.md"))
	if err != nil || len(more) < 4 {
		t.Fatalf("documents %v: %v", more, err)
	}
	for _, document := range append(documents, more...) {
		name, err := filepath.Rel(root, document)
		if err != nil {
			t.Fatal(err)
		}
		text := read(t, name)
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(document), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", name, m[1], err)
			}
		}
		for _, m := range code.FindAllStringSubmatch(text, -1) {
			if !path.MatchString(m[1]) {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
				t.Errorf("%s names %s: %v", name, m[1], err)
			}
		}
	}
}

// TestTheWalkNamesWhatIsThere checks each hop of docs/one-sample.md: the identifiers it names are declared in the file of that hop.
func TestTheWalkNamesWhatIsThere(t *testing.T) {
	hops := regexp.MustCompile(`(?m)^\d\. `).Split(read(t, "docs/one-sample.md"), -1)[1:]
	if len(hops) != 6 {
		t.Fatalf("%d hops, want 6", len(hops))
	}
	for i, hop := range hops {
		hop, _, _ = strings.Cut(hop, "\n\n")
		file := link.FindStringSubmatch(hop)
		if file == nil {
			t.Errorf("hop %d links to no file", i+1)
			continue
		}
		source := read(t, filepath.Join("docs", file[1]))
		if lines := strings.Count(source, "\n"); lines > 450 {
			t.Errorf("%s has %d lines: not a short file", file[1], lines)
		}
		named := 0
		for _, m := range code.FindAllStringSubmatch(hop, -1) {
			if !regexp.MustCompile(`^[A-Za-z]+$`).MatchString(m[1]) {
				continue
			}
			named++
			declared := regexp.MustCompile(`(?m)^(func (\([^)]*\) )?|type )` + m[1] + `\b`)
			if !declared.MatchString(source) {
				t.Errorf("hop %d names %s, which %s does not declare", i+1, m[1], file[1])
			}
		}
		if named == 0 {
			t.Errorf("hop %d names no identifier", i+1)
		}
	}
}

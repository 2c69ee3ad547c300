package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var setting = regexp.MustCompile(`"(LEEWARD_[A-Z_]+)"`)

// TestEverySettingIsInTheReference holds docs/reference/settings.md to the variables that the programs read.
func TestEverySettingIsInTheReference(t *testing.T) {
	known := map[string]bool{}
	for _, folder := range []string{"cmd", "pkg", "services"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			source, err := os.ReadFile(path)
			for _, m := range setting.FindAllStringSubmatch(string(source), -1) {
				if !strings.HasPrefix(m[1], "LEEWARD_TEST_") {
					known[m[1]] = true
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(known) < 20 {
		t.Fatalf("only %d settings were found", len(known))
	}
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(LEEWARD_[A-Z_]+)`").FindAllStringSubmatch(read(t, "docs/reference/settings.md"), -1) {
		listed[m[1]] = true
		if !known[m[1]] {
			t.Errorf("%s is listed and nothing reads it", m[1])
		}
	}
	for name := range known {
		if !listed[name] {
			t.Errorf("%s is read and not listed", name)
		}
	}
}

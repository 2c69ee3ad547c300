package env_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/env"
)

func reader(values map[string]string) *env.Reader {
	return &env.Reader{Getenv: func(name string) string { return values[name] }}
}

func TestEveryWrongSettingIsNamedAtOnce(t *testing.T) {
	r := reader(map[string]string{"A": "soon", "B": "many", "C": "hunter2", "D": "env:NOBODY"})
	r.Duration("A", time.Second)
	r.Int("B", 1)
	r.Secret("C")
	r.Secret("D")
	r.Required("E")
	err := r.Err()
	for _, want := range []string{"A: \"soon\"", "B: \"many\"", "C: a secret is a reference", "D: the variable NOBODY is not set", "E: not set"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Error("the error shows a secret")
	}
}

func TestSettingsAndSecretsAreRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := reader(map[string]string{"A": "250ms", "B": "7", "C": "file:" + file, "D": "env:E", "E": "from a variable"})
	if a, b := r.Duration("A", 0), r.Int("B", 0); a != 250*time.Millisecond || b != 7 {
		t.Errorf("got %v and %d", a, b)
	}
	if c, d := r.Secret("C"), r.Secret("D"); c != "from a file" || d != "from a variable" {
		t.Errorf("got %q and %q", c, d)
	}
	if got := r.String("NONE", "fallback"); got != "fallback" || r.Secret("NONE") != "" || r.Err() != nil {
		t.Errorf("got %q, %v", got, r.Err())
	}
}

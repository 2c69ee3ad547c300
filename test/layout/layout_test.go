// Package layout_test holds the rules of who may import whom, over everything a package is built from.
package layout_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const prefix = "github.com/leeward-failover/leeward/"

type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,Deps", "work")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v: %s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		p.ImportPath = strings.TrimPrefix(p.ImportPath, prefix)
		all = append(all, p)
	}
	if len(all) < 30 {
		t.Fatalf("only %d packages are listed", len(all))
	}
	return all
}

// service returns the service a package belongs to, or nothing.
func service(path string) string {
	rest, ok := strings.CutPrefix(path, "services/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

func TestImportsGoOneWay(t *testing.T) {
	for _, p := range packages(t) {
		for _, dep := range p.Deps {
			own, ours := strings.CutPrefix(dep, prefix)
			switch {
			case !ours:
			case service(p.ImportPath) != "" && service(own) != "" && service(own) != service(p.ImportPath):
				t.Errorf("%s imports %s: services never import each other", p.ImportPath, own)
			case strings.HasPrefix(p.ImportPath, "pkg/") && !strings.HasPrefix(own, "pkg/") && own != "schemas":
				t.Errorf("%s imports %s: pkg knows schemas only", p.ImportPath, own)
			case strings.HasPrefix(p.ImportPath, "schemas") && !strings.HasPrefix(own, "schemas"):
				t.Errorf("%s imports %s: schemas know nobody", p.ImportPath, own)
			case !strings.HasPrefix(p.ImportPath, "test/") && strings.HasPrefix(own, "test/"):
				t.Errorf("%s imports %s: nothing imports tests", p.ImportPath, own)
			}
		}
	}
}

func TestEachTechnologyHasOneImporter(t *testing.T) {
	owners := map[string][]string{
		"github.com/nats-io/nats.go":        {"pkg/bus"},
		"github.com/nats-io/nats-server/v2": {"pkg/natsd", "pkg/bustest"},
		"github.com/ClickHouse/":            {"pkg/clickhouse"},
		"github.com/moby/buildkit":          {"services/builder"},
		"github.com/ebitengine/purego":      {"pkg/chembed"},
	}
	for _, p := range packages(t) {
		for _, dep := range p.Imports {
			for technology, allowed := range owners {
				if !strings.HasPrefix(dep, technology) || under(p.ImportPath, append(allowed, "test")) {
					continue
				}
				t.Errorf("%s imports %s: only %v may", p.ImportPath, dep, allowed)
			}
		}
	}
}

func TestDecisionsDoNoIO(t *testing.T) {
	pure := []string{"pkg/gate", "pkg/celgate", "services/ranker/internal/rank", "services/ranker/internal/anomaly", "services/failover-actuator/internal/decide"}
	found := 0
	for _, p := range packages(t) {
		if !under(p.ImportPath, pure) {
			continue
		}
		found++
		for _, dep := range p.Deps {
			// embed reaches os through io/fs helpers of the schemas package, so what counts is what can talk to the world.
			// net/url and net/netip only read and write addresses.
			talks := strings.HasPrefix(dep, "net/") && dep != "net/url" && dep != "net/netip"
			if dep == "net" || talks || dep == "os/exec" || dep == "database/sql" {
				t.Errorf("%s reaches %s: decisions do no I/O", p.ImportPath, dep)
			}
		}
		for _, dep := range p.Imports {
			if dep == "os" || dep == "io" || dep == "context" {
				t.Errorf("%s imports %s: decisions do no I/O", p.ImportPath, dep)
			}
		}
	}
	if found < len(pure) {
		t.Errorf("%d pure packages found, want %d: were they renamed?", found, len(pure))
	}
}

func under(path string, folders []string) bool {
	for _, f := range folders {
		if path == f || strings.HasPrefix(path, f+"/") {
			return true
		}
	}
	return false
}

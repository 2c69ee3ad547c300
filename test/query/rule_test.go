package query_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/leeward-failover/leeward/test/query"
)

const deploy = "../../deploy"

// tool finds a program of the Debian packages prometheus and prometheus-alertmanager.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed (tools/install.sh)", name)
	}
	if err != nil {
		t.Skipf("%s is not installed (tools/install.sh)", name)
	}
	return path
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), tool(t, name), args...).CombinedOutput(); err != nil {
		t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

func files(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(deploy, pattern))
	if err != nil || len(found) == 0 {
		t.Fatalf("no %s: %v", pattern, err)
	}
	return found
}

func TestPrometheusAndAlertmanagerTakeTheirConfiguration(t *testing.T) {
	run(t, "promtool", "check", "config", "--lint=all", "--lint-fatal", filepath.Join(deploy, "prometheus/prometheus.yml"))
	run(t, "promtool", append([]string{"check", "rules", "--lint=all", "--lint-fatal"}, files(t, "prometheus/rules/*.yml")...)...)
	run(t, "amtool", "check-config", filepath.Join(deploy, "alertmanager/alertmanager.yml"))
}

func TestRulesFireAndKeepQuietAsTheirCasesSay(t *testing.T) {
	run(t, "promtool", append([]string{"test", "rules"}, files(t, "prometheus/tests/*.yml")...)...)
}

func TestEveryAlertHasACaseThatFiresItAndOneThatDoesNot(t *testing.T) {
	cases := ""
	for _, file := range files(t, "prometheus/tests/*.yml") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		cases += string(text)
	}
	for _, r := range rules(t) {
		if r.Alert == "" {
			continue
		}
		of := regexp.MustCompile(`ALERTS\{alertname="` + r.Alert + `", alertstate="firing"\}'\S* *\n? *[^\n]*(?:\n +exp_samples: [^\n]*)?`)
		fires, quiet := false, false
		for _, found := range of.FindAllString(cases, -1) {
			quiet = quiet || strings.Contains(found, "exp_samples: []")
			fires = fires || strings.Contains(found, "value: 1")
		}
		if !fires || !quiet {
			t.Errorf("%s: a case fires it: %t, a case keeps it quiet: %t; add what is missing to deploy/prometheus/tests/%s", r.Alert, fires, quiet, r.File)
		}
	}
}

func TestEveryAlertTellsWhatItMeansAndWhatToDo(t *testing.T) {
	text, err := os.ReadFile("../../docs/runbooks.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^## (\w+)$`).FindAllStringSubmatch(string(text), -1) {
		sections[m[1]] = true
	}
	for _, r := range rules(t) {
		if r.Alert == "" {
			continue
		}
		for _, annotation := range []string{"summary", "description"} {
			if r.Annotations[annotation] == "" {
				t.Errorf("%s has no %s", r.Alert, annotation)
			}
		}
		if s := r.Labels["severity"]; s != "page" && s != "warn" {
			t.Errorf("%s has severity %q, want page or warn", r.Alert, s)
		}
		if want := "/docs/runbooks.md#" + strings.ToLower(r.Alert); !strings.HasSuffix(r.Annotations["runbook_url"], want) {
			t.Errorf("%s has the runbook %q, want …%s", r.Alert, r.Annotations["runbook_url"], want)
		}
		if !sections[r.Alert] {
			t.Errorf("docs/runbooks.md has no section %s", r.Alert)
		}
		delete(sections, r.Alert)
	}
	for left := range sections {
		t.Errorf("docs/runbooks.md has a section %s and no rule of that name", left)
	}
}

func rules(t *testing.T) []query.Rule {
	t.Helper()
	all, err := query.Rules(deploy)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("only %d rules were found", len(all))
	}
	return all
}

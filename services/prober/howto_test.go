package prober_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/pkg/config"
	"github.com/leeward-failover/leeward/pkg/postgrestest"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober"
)

// around is the leeward.yaml that the pages' snippets are a part of.
const around = `version: 1
regions:
  - {name: frankfurt, location: {latitude: 50.11, longitude: 8.68}, jurisdiction: DE}
  - {name: london, location: {latitude: 51.51, longitude: -0.13}, jurisdiction: GB}
vantages: [{name: london}]
apps:
  - name: shop
    start: {region: frankfurt, variant: slim}
    variants: [{name: slim}]
    failover: {verify: {url: "https://shop.example"}}
`

// leeward runs a command of the prober's.
func leeward(line string) (string, error) {
	var out bytes.Buffer
	root := &cobra.Command{Use: "leeward", SilenceUsage: true, SilenceErrors: true}
	root.AddCommand(prober.Commands()...)
	root.SetArgs(strings.Fields(line))
	root.SetOut(&out)
	root.SetErr(&out)
	err := root.Execute()
	return out.String(), err
}

// TestPagesAboutDatabasesAreTrue prepares a database and measures it as the pages tell.
func TestPagesAboutDatabasesAreTrue(t *testing.T) {
	folder, err := filepath.Abs("../../docs/how-to")
	if err != nil {
		t.Fatal(err)
	}
	page := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(folder, "probe-"+name+".md"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	primary := postgrestest.Start(t)
	replica := primary.Follow()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("prober-password", []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ADMIN_URL", primary.URL())
	said, err := leeward(regexp.MustCompile(`(?m)^leeward (db prepare .*)$`).FindStringSubmatch(page("databases"))[1])
	if err != nil {
		t.Fatal(err)
	}
	as := func(url string) string {
		return strings.Replace(url, "postgres:secret-word", "leeward_prober:0123456789abcdef", 1)
	}
	if !strings.Contains(said, strings.Replace(as(primary.URL()), "0123456789abcdef", "the-password", 1)) {
		t.Errorf("the probers' URL is not in\n%s", said)
	}
	app := startApp(t)
	for name, value := range map[string]string{"SHOP_FRANKFURT_URL": as(primary.URL()), "SHOP_LONDON_URL": as(replica.URL())} {
		t.Setenv(name, value)
	}
	for _, kind := range []schemas.Kind{schemas.KindDBRead, schemas.KindDBWrite, schemas.KindDBFresh, schemas.KindDBLag} {
		t.Run(kind.String(), func(t *testing.T) {
			text := page(strings.ReplaceAll(kind.String(), "_", "-"))
			for _, try := range regexp.MustCompile("`leeward (probe once .*)`").FindAllStringSubmatch(text, -1) {
				if said, err := leeward(try[1]); err != nil {
					t.Errorf("%s: %v\n%s", try[1], err, said)
				}
			}
			snippet := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindStringSubmatch(text)[1]
			if _, err := config.Parse("leeward.yaml", []byte(around+snippet)); err != nil {
				t.Fatal(err)
			}
			here := strings.NewReplacer("https://shop.frankfurt.example", app.URL, "https://shop.london.example", app.URL, "probe:\n", "probe:\n      interval: 100ms\n")
			topology, err := config.Parse("leeward.yaml", []byte(here.Replace(around+snippet)))
			if err != nil {
				t.Fatal(err)
			}
			s := bustest.Start(t, "london")
			apply(t, s, topology)
			environment := settings(t, s, filepath.Join(t.TempDir(), "spool"))
			for _, name := range []string{"SHOP_FRANKFURT_URL", "SHOP_LONDON_URL"} {
				environment[name] = os.Getenv(name)
			}
			start(t, environment)
			stored(t.Context(), t, s.Connect(schemas.Recorder, ""), func(batches []*schemas.SampleBatch) bool {
				for _, b := range batches {
					for i := range b.Len() {
						if found := b.At(i); found.Kind == kind && found.Outcome == schemas.OK {
							return true
						}
					}
				}
				return false
			})
		})
	}
}

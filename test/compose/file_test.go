// Package compose_test holds docker-compose.yml to the Compose specification and to what Leeward promises of its containers, and, with -compose, runs it.
package compose_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/pkg/config"
	"github.com/leeward-failover/leeward/schemas"
)

const root = "../.."

// secrets are values for what docker-compose.yml requires.
func secrets(t *testing.T) []string {
	t.Helper()
	var env []string
	for _, m := range regexp.MustCompile(`\$\{([A-Z_]+):\?`).FindAllStringSubmatch(read(t, "docker-compose.yml"), -1) {
		env = append(env, m[1]+"=secret")
	}
	return env
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func load(t *testing.T, env []string, files ...string) (*types.Project, error) {
	t.Helper()
	for i := range files {
		files[i] = filepath.Join(root, files[i])
	}
	options, err := cli.NewProjectOptions(files, cli.WithWorkingDirectory(root), cli.WithName("leeward"), cli.WithEnv(env),
		cli.WithInterpolation(true), cli.WithConsistency(true), cli.WithProfiles([]string{"*"}))
	if err != nil {
		t.Fatal(err)
	}
	return options.LoadProject(t.Context())
}

func project(t *testing.T, files ...string) *types.Project {
	t.Helper()
	p, err := load(t, secrets(t), append([]string{"docker-compose.yml"}, files...)...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func ours(s types.ServiceConfig) bool { return strings.HasPrefix(s.Image, "leeward/") }

// once says whether a service does one thing and ends.
func once(s types.ServiceConfig) bool { return ours(s) && strings.HasSuffix(s.Image, "/leeward") }

func TestComposeRefusesToStartWithoutSecrets(t *testing.T) {
	all := secrets(t)
	if len(all) < 5 {
		t.Fatalf("only %d secrets are required", len(all))
	}
	for _, missing := range all {
		name, _, _ := strings.Cut(missing, "=")
		without := slices.DeleteFunc(slices.Clone(all), func(v string) bool { return strings.HasPrefix(v, name+"=") })
		_, err := load(t, without, "docker-compose.yml")
		if err == nil || !strings.Contains(err.Error(), "deploy/env.sh") {
			t.Errorf("without %s: %v, want what to run", name, err)
		}
	}
	written := read(t, "deploy/env.sh")
	for _, v := range all {
		if name, _, _ := strings.Cut(v, "="); !strings.Contains(written, "\n"+name+"=$") {
			t.Errorf("deploy/env.sh does not make %s", name)
		}
	}
}

func TestComposeContainersHaveNoMoreThanTheyNeed(t *testing.T) {
	for name, s := range project(t).Services {
		if name == "buildkit" || name == "clickhouse" {
			continue // what they are allowed stands in the file
		}
		if !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s keeps capabilities: drop %v, %v", name, s.CapDrop, s.SecurityOpt)
		}
		if ours(s) && !s.ReadOnly {
			t.Errorf("%s can write to its root", name)
		}
		if ours(s) && s.User != "" && (name != "keys" || s.NetworkMode != "none") {
			t.Errorf("%s runs as %s, not as the image's user", name, s.User)
		}
		if s.Privileged || s.NetworkMode == "host" || s.Pid != "" {
			t.Errorf("%s shares the machine", name)
		}
	}
	for name, s := range project(t).Services {
		for _, p := range s.Ports {
			if p.HostIP != "127.0.0.1" {
				t.Errorf("%s: port %s is open to others than this machine", name, p.Published)
			}
		}
	}
}

func TestComposeServicesSeeTheirOwnKeyOnly(t *testing.T) {
	p := project(t)
	made := map[string]bool{}
	for _, v := range p.Services["keys"].Volumes {
		if user, ok := strings.CutPrefix(v.Source, "key-"); ok && v.Target == "/keys/"+user {
			made[user] = true
		}
	}
	for name, s := range p.Services {
		if name == "keys" {
			continue
		}
		for _, v := range s.Volumes {
			user, isKey := strings.CutPrefix(v.Source, "key-")
			if v.Source == "bus-keys" || isKey && (!v.ReadOnly || user != name && name != "streams") {
				t.Errorf("%s sees %s", name, v.Source)
			}
			if isKey && !made[user] {
				t.Errorf("%s: nobody puts a key into %s", name, v.Source)
			}
		}
	}
}

func TestComposeRunsEveryServiceAndAProberPerVantage(t *testing.T) {
	topology, err := config.Parse("leeward.yaml", []byte(read(t, "deploy/compose/leeward.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, s := range []schemas.Service{schemas.Gateway, schemas.Builder, schemas.Recorder, schemas.Ranker, schemas.Actuator} {
		want = append(want, string(s))
	}
	for _, v := range topology.Vantages {
		want = append(want, schemas.UserName(schemas.Prober, v.Name))
	}
	var got, scraped []string
	p := project(t)
	for name, s := range p.Services {
		if ours(s) && !once(s) {
			got = append(got, name)
		}
		if !once(s) && s.HealthCheck == nil {
			t.Errorf("%s has no healthcheck", name)
		}
		if !ours(s) && !regexp.MustCompile(`:v?\d+\.\d+\.\d+`).MatchString(s.Image) {
			t.Errorf("%s: %s is not pinned to a version", name, s.Image)
		}
		for _, v := range s.Volumes {
			if v.Type == "bind" && !strings.Contains(v.Source, "deploy/secrets") {
				if _, err := os.Stat(v.Source); err != nil {
					t.Errorf("%s mounts %v", name, err)
				}
			}
		}
	}
	for _, m := range regexp.MustCompile(`"([a-z-]+):9100"`).FindAllStringSubmatch(read(t, "deploy/compose/targets.yml"), -1) {
		scraped = append(scraped, m[1])
	}
	slices.Sort(want)
	slices.Sort(got)
	slices.Sort(scraped)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("services and vantages, and what runs:\n%s", diff)
	}
	if diff := cmp.Diff(want, scraped); diff != "" {
		t.Errorf("services and vantages, and what Prometheus scrapes:\n%s", diff)
	}
}

// TestComposeSendsPlacesThatAreReplaced holds the start scripts to the files they change.
func TestComposeSendsPlacesThatAreReplaced(t *testing.T) {
	file := read(t, "docker-compose.yml")
	for _, m := range regexp.MustCompile(`sed 's/([^/]+)/[^/]+/' /etc/leeward/(\w+)\.yml`).FindAllStringSubmatch(file, -1) {
		name := filepath.Join("deploy", m[2], m[2]+".yml")
		if !strings.Contains(read(t, name), m[1]) {
			t.Errorf("%s does not hold %s", name, m[1])
		}
	}
}

func TestOverrideOfTheTestChangesImagesOnly(t *testing.T) {
	plain, swapped := project(t), project(t, "test/compose/override.yml")
	for name, s := range swapped.Services {
		was := plain.Services[name]
		if ours(was) && s.Image != was.Image {
			t.Errorf("%s is not our own image", name)
		}
		s.Image = was.Image
		if diff := cmp.Diff(was, s); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

func TestDockerfileBuildsWithTheGoOfTheModules(t *testing.T) {
	version, _, _ := strings.Cut(strings.TrimPrefix(read(t, "go.work"), "go "), "\n")
	if !strings.Contains(read(t, "deploy/Dockerfile"), "\nARG GO_VERSION="+version+"\n") {
		t.Errorf("deploy/Dockerfile does not build with Go %q", version)
	}
}

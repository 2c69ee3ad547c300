package compose_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

var running = flag.Bool("compose", false, "build the images and run docker-compose.yml, under a dockerd of the test's own")

// maxImage is how large an image of ours may be.
const maxImage = 56 << 20

// started are the services that the run starts: all but those for which there is no stand-in.
var started = []string{
	"keys", "nats", "streams", "gateway", "topology", "builder", "recorder", "ranker", "failover-actuator", "prober-frankfurt", "prober-london", "prober-madrid",
	"clickhouse", "registry", "registry-frankfurt", "registry-london", "shop-frankfurt", "shop-london", "haproxy", "prometheus", "alertmanager",
}

// system is docker-compose.yml, running.
type system struct {
	*docker
	t     *testing.T
	files []string
	began time.Time
}

func (s *system) step(name string) { s.t.Logf("%5.1f s  %s", time.Since(s.began).Seconds(), name) }

func (s *system) must(program string, args ...string) string {
	s.t.Helper()
	out, err := s.run(s.t.Context(), program, args...)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

func (s *system) compose(args ...string) string {
	s.t.Helper()
	return s.must("docker-compose", append(s.files, args...)...)
}

// eventually asks again until there is nothing to complain about.
func (s *system) eventually(within time.Duration, ask func() error) {
	s.t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(300 * time.Millisecond) {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(deadline) || s.t.Context().Err() != nil {
			s.t.Fatal(err)
		}
	}
}

func TestWebhookBecomesARowInContainers(t *testing.T) {
	if !*running {
		t.Skip("make test-compose runs this: it starts a dockerd")
	}
	s := &system{t: t, began: time.Now()}
	s.docker = startDocker(t)
	s.step("dockerd answers")
	s.images()
	s.environment()
	t.Cleanup(s.tell)
	s.compose(append([]string{"up", "--detach", "--no-build"}, started...)...)
	s.step("all containers are started")

	// A registry's client pushes a base image that the shop is built from.
	const pushed = "localhost:5000/base/node:20.20.2-bookworm-slim"
	s.must("docker", "tag", "leeward/prober", pushed)
	// The topology may still be on its way: what is pushed before it is known is found by comparing tags, and only every five minutes.
	s.eventually(time.Minute, func() error {
		state := strings.TrimSpace(s.must("docker", "inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", s.container("topology")))
		if state != "exited 0" {
			return fmt.Errorf("the topology is not applied: %s", state)
		}
		return nil
	})
	out := s.must("docker", "push", pushed)
	digest := regexp.MustCompile(`sha256:[0-9a-f]{64} size`).FindString(out)
	digest = strings.TrimSuffix(digest, " size")
	if digest == "" {
		t.Fatalf("no digest: %s", out)
	}
	s.step("a base image is pushed")
	s.eventually(time.Minute, func() error {
		return s.rows("SELECT count() FROM events WHERE type = 'leeward.image.pushed.v1' AND payload LIKE '%"+digest+"%'", "1")
	})
	s.step("the webhook is a row in ClickHouse")
	s.eventually(time.Minute, func() error {
		return s.rows("SELECT count() FROM (SELECT DISTINCT vantage, region, kind FROM samples WHERE outcome = 'ok')", "18")
	})
	s.step("three vantages measure two regions in three ways")
	s.healthy()
	s.step("every container is healthy")
	s.scraped()
	s.confined()
}

// images builds the stand-ins and, with docker-compose, ours.
func (s *system) images() {
	s.t.Helper()
	here, err := filepath.Abs(root)
	if err != nil {
		s.t.Fatal(err)
	}
	bin := s.t.TempDir()
	version, err := goEnv(s.t.Context(), here, "GOVERSION")
	if err != nil {
		s.t.Fatal(err)
	}
	golang := strings.TrimPrefix(version[0], "go")
	g, ctx := errgroup.WithContext(s.t.Context())
	g.Go(func() error {
		return s.load(ctx, "golang:"+golang+"-bookworm", func(w io.Writer) error { return toolchain(ctx, w, here) })
	})
	g.Go(func() error {
		if err := programs(ctx, here, bin); err != nil {
			return err
		}
		return s.load(ctx, "standin", func(w io.Writer) error { return standin(ctx, w, here, bin) })
	})
	if err := g.Wait(); err != nil {
		s.t.Fatal(err)
	}
	s.step("the base image and the stand-ins are there")
	build := s.command(s.t.Context(), "docker", "build", "--tag", "standin-clickhouse", "-")
	build.Stdin = strings.NewReader("FROM standin\nENTRYPOINT [\"sh\", \"/usr/bin/clickhouse.sh\"]\n")
	if out, err := build.CombinedOutput(); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	s.files = []string{"--file", "docker-compose.yml", "--file", "test/compose/override.yml", "--project-directory", here}
	services := map[string]string{"leeward": "keys", "gateway": "gateway", "builder": "builder", "recorder": "recorder", "ranker": "ranker", "failover-actuator": "failover-actuator", "prober": "prober-madrid"}
	s.environment()
	for image, service := range services {
		s.compose("build", "--build-arg", "GO_VERSION="+golang, service)
		size, err := strconv.Atoi(strings.TrimSpace(s.must("docker", "image", "inspect", "--format", "{{.Size}}", "leeward/"+image)))
		user := strings.TrimSpace(s.must("docker", "image", "inspect", "--format", "{{.Config.User}}", "leeward/"+image))
		s.step(fmt.Sprintf("image %-18s %4.1f MB, user %s", image, float64(size)/1e6, user))
		if err != nil || size > maxImage || user != "65532:65532" {
			s.t.Errorf("image %s: %d bytes, want at most %d; user %s, want 65532:65532", image, size, maxImage, user)
		}
	}
}

// environment makes the secrets as people do. The embedded engine has one password where a server has one per user.
func (s *system) environment() {
	s.t.Helper()
	file := filepath.Join(s.dir, "env")
	if _, err := os.Stat(file); err == nil {
		return
	}
	s.env = append(s.env, "LEEWARD_ENV_FILE="+file, "LEEWARD_SECRETS="+filepath.Join(s.dir, "secrets"))
	s.must("deploy/env.sh")
	if err := s.command(s.t.Context(), "deploy/env.sh").Run(); err == nil {
		s.t.Error("deploy/env.sh overwrites secrets")
	}
	data, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		s.t.Errorf("%s: %v, want mode 600", file, info.Mode())
	}
	text := regexp.MustCompile(`(?m)^(CLICKHOUSE_\w+_PASSWORD)=.*$`).ReplaceAllString(string(data), "$1=the-engine-has-one")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.files = append([]string{"--env-file", file}, s.files...)
}

func (s *system) container(service string) string {
	s.t.Helper()
	return "leeward_" + service + "_1"
}

// rows asks ClickHouse through the CLI, as analysts do.
func (s *system) rows(query, want string) error {
	out, err := s.run(s.t.Context(), "docker-compose", append(s.files, "run", "--rm", "-T", "cli", "sql", "--format", "TSV", query)...)
	if got := strings.TrimSpace(out); err != nil || got != want {
		return fmt.Errorf("%s: %q, want %q (%w)", query, got, want, err)
	}
	return nil
}

// state is what docker inspect says of a container.
type state struct {
	Name  string
	State struct {
		Status   string
		ExitCode int
		Pid      int
		Health   *struct{ Status string }
	}
	Config       struct{ Image string }
	HostConfig   struct{ ReadonlyRootfs bool }
	RestartCount int
}

func (s *system) states() []state {
	s.t.Helper()
	ids := strings.Fields(s.must("docker", "ps", "--all", "--quiet"))
	var all []state
	if err := json.Unmarshal([]byte(s.must("docker", append([]string{"inspect"}, ids...)...)), &all); err != nil {
		s.t.Fatal(err)
	}
	return all
}

func (s *system) healthy() {
	s.t.Helper()
	s.eventually(time.Minute, func() error {
		n := 0
		for _, c := range s.states() {
			switch {
			case c.State.Health == nil && c.State.Status == "exited" && c.State.ExitCode == 0:
			case c.State.Health == nil || c.State.Health.Status != "healthy":
				return fmt.Errorf("%s is %+v", c.Name, c.State)
			}
			n++
		}
		if n != len(started) {
			return fmt.Errorf("%d containers, want %d", n, len(started))
		}
		return nil
	})
}

// scraped wants Prometheus to reach every service of ours, and Alertmanager.
func (s *system) scraped() {
	s.t.Helper()
	s.eventually(30*time.Second, func() error {
		out, err := s.run(s.t.Context(), "docker", "exec", s.container("prometheus"), "wget", "-q", "-O", "-", "http://127.0.0.1:9090/api/v1/query?query=sum(up{job=\"leeward\"})")
		if err != nil || !strings.Contains(out, `"8"`) {
			return fmt.Errorf("Prometheus says %s: %w", out, err)
		}
		out, err = s.run(s.t.Context(), "docker", "exec", s.container("prometheus"), "wget", "-q", "-O", "-", "http://127.0.0.1:9090/api/v1/alertmanagers")
		if err != nil || !strings.Contains(out, "http://alertmanager:9093") {
			return fmt.Errorf("Prometheus says %s: %w", out, err)
		}
		return nil
	})
	s.step("Prometheus scrapes eight processes and knows Alertmanager")
}

// confined looks at our running containers from outside: who they run as, and that their root is mounted to be read only.
func (s *system) confined() {
	s.t.Helper()
	children, err := os.ReadFile(fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", s.daemon.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	daemon := strings.Fields(string(children))[0]
	seen := 0
	for _, c := range s.states() {
		if !strings.HasPrefix(c.Config.Image, "leeward/") || c.State.Pid == 0 {
			continue
		}
		seen++
		out, err := exec.CommandContext(s.t.Context(), "nsenter", "--target", daemon, "--mount", "--pid", "cat",
			fmt.Sprintf("/proc/%d/status", c.State.Pid), fmt.Sprintf("/proc/%d/mountinfo", c.State.Pid)).Output()
		text := string(out)
		if err != nil || !regexp.MustCompile(`(?m)^Uid:\t65532\t65532\t65532`).MatchString(text) {
			s.t.Errorf("%s does not run as 65532: %v\n%.300s", c.Name, err, text)
		}
		if !regexp.MustCompile(`(?m) / / ro,`).MatchString(text) || !c.HostConfig.ReadonlyRootfs {
			s.t.Errorf("%s can write to its root:\n%s", c.Name, text)
		}
		if !regexp.MustCompile(`(?m)^CapEff:\t0+$`).MatchString(text) {
			s.t.Errorf("%s has capabilities", c.Name)
		}
		if c.RestartCount > 0 {
			s.t.Errorf("%s was started again %d times", c.Name, c.RestartCount)
		}
	}
	if seen != 8 {
		s.t.Errorf("%d of our containers run, want 8", seen)
	}
	s.step("our containers run as 65532, without capabilities, on a root they cannot write to")
}

// tell shows what the containers said when something went wrong.
func (s *system) tell() {
	if !s.t.Failed() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	out, _ := s.run(ctx, "docker", "ps", "--all", "--format", "table {{.Names}}\t{{.Status}}")
	s.t.Log(out)
	out, _ = s.run(ctx, "docker-compose", append(s.files, "logs", "--no-color", "--tail", "15")...)
	s.t.Log(out)
}

package builder_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/leeward-failover/leeward/pkg/oci"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/builder/internal/benchmark"
)

// server compiles the test's app once.
var server = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "server")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "server"), "./testdata/server")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return os.ReadFile(filepath.Join(dir, "server"))
})

// stored is a file of a layer.
type stored struct {
	name string
	text []byte
	mode int64
}

func layer(t *testing.T, files ...stored) v1.Layer {
	t.Helper()
	var data bytes.Buffer
	w := tar.NewWriter(&data)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: max(f.mode, 0o644), Size: int64(len(f.text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return must(tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data.Bytes())), nil }))
}

// wasted are the bytes of the app's image that a later layer hides or writes again: hidden and the first motd.
const wasted = 1000 + 5

// pushApp stores an image of the test's app in a registry's apps/shop and returns its digest.
func pushApp(t *testing.T, registry, tag string, config v1.Config) string {
	t.Helper()
	program, err := server()
	if err != nil {
		t.Fatal(err)
	}
	image := must(mutate.AppendLayers(empty.Image,
		layer(t, stored{"server", program, 0o755}, stored{"etc/hidden", make([]byte, 1000), 0}, stored{"etc/motd", []byte("first"), 0}, stored{"var/lib/empty", nil, 0}),
		layer(t, stored{"etc/.wh.hidden", nil, 0}, stored{"etc/motd", []byte("second"), 0})))
	file := must(image.ConfigFile()).DeepCopy()
	file.OS, file.Architecture = "linux", "amd64"
	file.Config = config
	image = must(mutate.ConfigFile(image, file))
	repo := must(oci.Repository(registry, "apps/shop"))
	if err := remote.Write(repo.Tag(tag), image); err != nil {
		t.Fatal(err)
	}
	return must(image.Digest()).String()
}

func appConfig(env ...string) v1.Config {
	return v1.Config{Entrypoint: []string{"/server"}, Env: env, ExposedPorts: map[string]struct{}{"8080/tcp": {}}}
}

func newBench(t *testing.T) benchmark.Bench {
	t.Helper()
	if os.Geteuid() != 0 {
		need(t, "root, to start containers with")
	}
	return benchmark.Bench{Folder: t.TempDir(), Runc: program(t, "runc"), Limit: 1 << 30, Patience: 20 * time.Second}
}

func targetOf(registry, digest string) benchmark.Target {
	return benchmark.Target{App: "shop", Candidate: schemas.Candidate{Region: "london", Variant: "slim"}, Digest: digest, Registry: registry, Repository: "apps/shop"}
}

func TestBenchmarkGoesFromNothingToTheFirstHealthyAnswer(t *testing.T) {
	bench, region := newBench(t), startRegistry(t)
	digest := pushApp(t, region.url, "slow", appConfig("WAIT_MS=300"))
	far := slowed(t, region.url, 200*time.Millisecond)
	rows, err := bench.Measure(t.Context(), targetOf(far, digest))
	if err != nil || len(rows) != 2 {
		t.Fatalf("got %d rows and %v, want a cold and a warm one", len(rows), err)
	}
	cold, warm := rows[0], rows[1]
	for _, row := range rows {
		if row.Error != "" || row.Digest != digest || row.Region != "london" || row.Variant != "slim" || row.Layers != 2 || row.SizeBytes < 1<<20 || row.WastedBytes != wasted || row.At.IsZero() {
			t.Errorf("got %#v, want 2 layers of more than a MiB, %d bytes wasted, and no error", row, wasted)
		}
		if row.StartUS == 0 || row.HealthyUS < 250_000 || row.HealthyUS > 5_000_000 {
			t.Errorf("got %d µs to start and %d to be healthy, want some, and 300 ms or a little more", row.StartUS, row.HealthyUS)
		}
	}
	// A manifest, then blobs: each answer comes 200 ms late.
	if !cold.Cold || cold.PullUS < 400_000 || cold.UnpackUS == 0 {
		t.Errorf("cold: got %d µs to pull and %d to unpack, want at least 400 ms, and not nothing", cold.PullUS, cold.UnpackUS)
	}
	if warm.Cold || warm.PullUS < 200_000 || warm.PullUS > cold.PullUS || warm.UnpackUS != 0 {
		t.Errorf("warm: got %d µs to pull and %d to unpack, want the time of one answer, and nothing", warm.PullUS, warm.UnpackUS)
	}
	wantNothingLeft(t, bench)
}

func TestBenchmarkSaysWhichPhaseFailedAndWhy(t *testing.T) {
	bench, region := newBench(t), startRegistry(t)
	bench.Patience = 2 * time.Second
	away := startRegistry(t)
	away.stop(syscall.SIGKILL)
	nowhere := appConfig()
	nowhere.ExposedPorts = nil
	silent := appConfig("PORT=8080")
	silent.Labels = map[string]string{benchmark.HealthLabel: "9999/healthz"}
	ill := appConfig()
	ill.Labels = map[string]string{benchmark.HealthLabel: "8080/nothing"}
	nobody := appConfig()
	nobody.User = "www"
	for name, c := range map[string]struct {
		config   v1.Config
		registry string
		change   func(*benchmark.Bench)
		phases   int
		says     string
	}{
		"registry away":     {appConfig(), away.url, nil, 0, "connection refused"},
		"too large":         {appConfig(), region.url, func(b *benchmark.Bench) { b.Limit = 1 << 20 }, 0, "the image is too large"},
		"too large at last": {appConfig(), region.url, func(b *benchmark.Bench) { b.Limit = 5 << 20 }, 1, "with its layers unpacked"},
		"no runc":           {appConfig(), region.url, func(b *benchmark.Bench) { b.Runc = "" }, 2, "there is no runc"},
		"no port":           {nowhere, region.url, nil, 2, "EXPOSE"},
		"an unknown user":   {nobody, region.url, nil, 2, "prepare the container"},
		"it ends":           {appConfig("EXIT=1"), region.url, nil, 3, "no database: giving up"},
		"it does not hear":  {silent, region.url, nil, 3, "connection refused"},
		"it is not healthy": {ill, region.url, nil, 3, "404 Not Found"},
	} {
		t.Run(name, func(t *testing.T) {
			bench := bench
			if c.change != nil {
				c.change(&bench)
			}
			digest := pushApp(t, region.url, "x", c.config)
			rows, err := bench.Measure(t.Context(), targetOf(c.registry, digest))
			if err != nil || len(rows) != 1 {
				t.Fatalf("got %d rows and %v, want one", len(rows), err)
			}
			row := rows[0]
			if !strings.Contains(row.Error, c.says) {
				t.Errorf("got error %q, want one with %q", row.Error, c.says)
			}
			for i, us := range []uint64{row.PullUS, row.UnpackUS, row.StartUS, row.HealthyUS} {
				// A container that ends at once may do so before or after it was seen to run.
				if (us > 0) != (i < c.phases) && !(name == "it ends" && i == 2) {
					t.Errorf("phase %d took %d µs, and %d phases went well", i+1, us, c.phases)
				}
			}
			wantNothingLeft(t, bench)
		})
	}
}

// slowed is a way to a registry on which every answer comes late.
func slowed(t *testing.T, registry string, by time.Duration) string {
	t.Helper()
	proxy := httputil.NewSingleHostReverseProxy(must(url.Parse(registry)))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(by):
			proxy.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// wantNothingLeft finds what a benchmark should have removed: containers, processes, files.
func wantNothingLeft(t *testing.T, bench benchmark.Bench) {
	t.Helper()
	entries, err := os.ReadDir(bench.Folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "lock" {
			t.Errorf("%s is left in the folder", e.Name())
		}
	}
	if left := running(bench.Folder); len(left) > 0 {
		t.Errorf("processes are left: %q", left)
	}
}

// running are the command lines of processes that name a folder, or whose root is in it.
func running(folder string) []string {
	var found []string
	entries, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range entries {
		line, _ := os.ReadFile(dir + "/cmdline")
		root, _ := os.Readlink(dir + "/root")
		if bytes.Contains(line, []byte("--bundle\x00"+folder)) || strings.HasPrefix(root, folder) || string(line) == "/server\x00" {
			found = append(found, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

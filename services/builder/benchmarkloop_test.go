package builder_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/builder/internal/benchmark"
)

// servedBy is a Dockerfile of two variants of the test's app that take their time to answer.
func servedBy(wait time.Duration) string {
	return fmt.Sprintf(`FROM scratch AS base
COPY server /server
COPY motd /etc/motd
ENV WAIT_MS=%d
EXPOSE 8080
ENTRYPOINT ["/server"]
FROM base AS single
COPY motd /srv/more
FROM base AS slim
`, wait.Milliseconds())
}

func TestEveryReplicatedImageIsBenchmarkedAndPublished(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "benchmark")
	w := newWorld(t, "LEEWARD_BENCHMARK_FOLDER="+folder, "LEEWARD_BENCHMARK_PAUSE=10ms")
	rows := w.benchmarked()
	w.write("shop/server", string(must(server())))
	w.write("shop/motd", "second")
	w.write("shop/Dockerfile", servedBy(100*time.Millisecond))
	w.permit("shop/server")
	w.apply(w.shop("shop"))
	w.announce(w.pushBase("one", "1"))
	first := w.waitBuilds("shop", 1, "single", "slim")
	for _, region := range regionNames {
		for variant, build := range first {
			s := w.waitBenchmark(variant, region, build.Digest)
			if s.Machine == "" || s.SizeBytes != build.SizeBytes || int(s.Layers) != len(build.Layers) || s.WastedBytes != 0 || len(s.Cold) != 1 || len(s.Warm) != 1 || s.Cold[0].Serve() < 100_000 || s.Cold[0].Error+s.Warm[0].Error != "" {
				t.Errorf("%s in %s: got %#v, want one cold and one warm run that were healthy after 100 ms, of an image of %d bytes", variant, region, s, build.SizeBytes)
			}
		}
	}
	eventually(t, "rows for ClickHouse", func(context.Context) error {
		if got := rows(first); got != 12 {
			return fmt.Errorf("got %d of the two images, want a cold and a warm one of each in each region", got)
		}
		return nil
	})
	wantNothingLeft(t, benchmark.Bench{Folder: folder})

	// The next image hangs. The builder is killed in the middle, and what it leaves ends with the next one's start.
	w.write("shop/Dockerfile", servedBy(time.Minute))
	w.announce(w.pushBase("two", "1"))
	hanging := w.waitBuilds("shop", 2, "single", "slim")
	eventually(t, "a container", func(context.Context) error {
		if !served() {
			return fmt.Errorf("none runs")
		}
		return nil
	})
	w.builder.stop(syscall.SIGKILL)
	left := pidsOf("/server\x00")
	if len(left) != 1 {
		t.Fatalf("a killed builder leaves processes %q, want the container's: nothing is shown by this test", left)
	}
	w.builder.start()
	eventually(t, "the end of what was left", func(context.Context) error {
		if _, err := os.Stat("/proc/" + left[0]); err == nil {
			return fmt.Errorf("process %s runs", left[0])
		}
		return nil
	})

	// Now the new builder's benchmark hangs, and makes way for a build.
	eventually(t, "a container again", func(context.Context) error {
		if !served() {
			return fmt.Errorf("none runs")
		}
		return nil
	})
	w.write("shop/Dockerfile", servedBy(0))
	w.announce(w.pushBase("three", "1"))
	third := w.waitBuilds("shop", 3, "single", "slim")
	for variant, build := range third {
		w.waitBenchmark(variant, "dallas", build.Digest)
	}
	if got := rows(hanging); got != 0 {
		t.Errorf("%d benchmarks are published that were cut short", got)
	}
	w.builder.stop(syscall.SIGTERM)
	wantNothingLeft(t, benchmark.Bench{Folder: folder})
}

// permit makes a file of the build root a program.
func (w *world) permit(path string) {
	w.t.Helper()
	if err := os.Chmod(filepath.Join(w.buildRoot, path), 0o755); err != nil {
		w.t.Fatal(err)
	}
}

// benchmarked counts what is published for ClickHouse of the images of builds.
func (w *world) benchmarked() func(map[string]schemas.BuildFinished) int {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	var mu sync.Mutex
	published := map[string]int{}
	reader := w.nats.Connect(schemas.Recorder, "")
	w.t.Cleanup(func() { cancel(); group.Wait() })
	group.Go(func() {
		_ = reader.Tail(ctx, schemas.Evaluations, 1, []string{schemas.BenchmarkSubject("shop")}, func(m bus.Message) error {
			b, err := schemas.DecodeImageBenchmarks(m.Subject, m.Data)
			if err != nil {
				w.t.Errorf("benchmarks: %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, row := range b.Rows {
				published[row.Digest]++
			}
			return nil
		})
	})
	return func(builds map[string]schemas.BuildFinished) (n int) {
		mu.Lock()
		defer mu.Unlock()
		for _, b := range builds {
			n += published[b.Digest]
		}
		return n
	}
}

// waitBenchmark waits until the newest benchmarks of an image in a region are those of a digest.
func (w *world) waitBenchmark(variant, region, digest string) (state schemas.BenchmarkState) {
	w.t.Helper()
	eventually(w.t, "benchmark of "+variant+" in "+region, func(ctx context.Context) error {
		entry, err := bus.Get(ctx, w.bus, schemas.BenchmarkBucket, "shop", variant, region)
		if err != nil {
			return err
		}
		if state = entry.Value; state.Digest != digest {
			return fmt.Errorf("got %s, want %s", state.Digest, digest)
		}
		return nil
	})
	return state
}

func served() bool { return len(pidsOf("/server\x00")) > 0 }

// pidsOf are the processes of a command line.
func pidsOf(line string) []string {
	var found []string
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		if text, _ := os.ReadFile(file); string(text) == line {
			found = append(found, strings.TrimSuffix(strings.TrimPrefix(file, "/proc/"), "/cmdline"))
		}
	}
	return found
}

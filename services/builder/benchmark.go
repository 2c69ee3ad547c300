package builder

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/pkg/env"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/builder/internal/benchmark"
)

// benchmarkConfig is what the process is told of benchmarks of images.
type benchmarkConfig struct {
	// folder is where images are fetched to and run; empty leaves benchmarks out.
	folder          string
	interval, pause time.Duration
	mib             int
}

func readBenchmarkConfig(r *env.Reader) (benchmarkConfig, error) {
	c := benchmarkConfig{
		folder:   r.String("LEEWARD_BENCHMARK_FOLDER", ""),
		interval: r.Duration("LEEWARD_BENCHMARK_INTERVAL", 24*time.Hour),
		pause:    r.Duration("LEEWARD_BENCHMARK_PAUSE", 30*time.Second),
		mib:      r.Int("LEEWARD_BENCHMARK_MIB", 4096),
	}
	if c.folder != "" && !filepath.IsAbs(c.folder) {
		return c, fmt.Errorf("LEEWARD_BENCHMARK_FOLDER: %q is not an absolute path, as /var/lib/leeward/benchmark", c.folder)
	}
	if c.mib <= 0 {
		return c, fmt.Errorf("LEEWARD_BENCHMARK_MIB: %d is not above 0", c.mib)
	}
	return c, nil
}

// benchmarks is the loop that benchmarks images. They are started only where there is a runc, by root.
func benchmarks(b *bus.Bus, topology *bus.Mirror[schemas.TopologyPart], way *benchmark.Way, cfg benchmarkConfig, proc daemon.Process) *benchmark.Loop {
	bench := benchmark.Bench{Folder: cfg.folder, Limit: uint64(cfg.mib) << 20, Patience: time.Minute}
	if runc, err := exec.LookPath("runc"); err == nil && os.Geteuid() == 0 {
		bench.Runc = runc
	}
	return &benchmark.Loop{
		Bus: b, Topology: topology, Images: bus.NewMirror(b, schemas.ImageBucket), States: bus.NewMirror(b, schemas.BenchmarkBucket),
		Bench: bench, Way: way, Every: cfg.interval, Pause: cfg.pause, Log: proc.Log, Metrics: benchmark.NewMetrics(proc.Metrics),
	}
}

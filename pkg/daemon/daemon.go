// Package daemon starts a service's process and serves its health. It owns signals, the logger and the exit status, and leaves everything else to Run.
package daemon

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/rs/zerolog"
)

// Version is the version of the build, set by the linker.
var Version = "dev"

// Process is the outside world as a service sees it.
type Process struct {
	Args    []string
	Getenv  func(string) string
	Stdout  io.Writer
	Log     zerolog.Logger
	Metrics *prometheus.Registry
}

// Run is a service: it blocks until ctx ends or it can not go on.
type Run func(ctx context.Context, proc Process) error

// Main runs a service as the whole process, or with the one argument --health asks the service that runs beside it whether it lives. It ends at the first interrupt or termination signal with status 0, and with status 1 when the service fails.
func Main(name string, run Run) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The logger's format of time is the process's: tests that run several services leave it alone.
	zerolog.TimeFieldFormat = "2006-01-02T15:04:05.000Z07:00"
	proc := NewProcess(name, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	asked := len(proc.Args) == 1 && proc.Args[0] == "--health"
	if asked {
		run = askHealth
	}
	if err := run(ctx, proc); err != nil && !stopped(ctx, err) {
		for _, line := range strings.Split(err.Error(), "\n") {
			proc.Log.Error().Str("error", line).Msg("stopped")
		}
		stop()
		os.Exit(1)
	}
	if !asked {
		proc.Log.Info().Msg("stopped")
	}
}

// stopped says whether an error is only the answer to being told to stop.
func stopped(ctx context.Context, err error) bool {
	return ctx.Err() != nil && errors.Is(err, context.Canceled)
}

// NewProcess makes the process of a named service, its log as JSON lines and its own metrics.
func NewProcess(name string, args []string, getenv func(string) string, stdout, stderr io.Writer) Process {
	level := zerolog.InfoLevel
	if l, err := zerolog.ParseLevel(getenv("LEEWARD_LOG_LEVEL")); err == nil && l != zerolog.NoLevel {
		level = l
	}
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "leeward_build_info", Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"service": name, "version": Version}})
	build.Set(1)
	metrics.MustRegister(build)
	return Process{
		Args: args, Getenv: getenv, Stdout: stdout, Metrics: metrics,
		Log: zerolog.New(stderr).Level(level).With().Timestamp().Str("service", name).Logger(),
	}
}

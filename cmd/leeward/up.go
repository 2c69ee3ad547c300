package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/leeward-failover/leeward/cmd/leeward/internal/loopback"
	"github.com/leeward-failover/leeward/cmd/leeward/internal/up"
	"github.com/leeward-failover/leeward/pkg/config"
	"github.com/leeward-failover/leeward/schemas"
)

const upLong = `Runs NATS with JetStream, an embedded ClickHouse and every service as processes of their own, and starts again what dies.
The embedded ClickHouse is for development and tests; in production name a server with --clickhouse.

With --loopback the regions are simulated on this machine. Without a topology that is chosen by itself where the demo world can not be: without root, or off Linux.

The state folder holds everything: data, logs, keys, and the API's token in the file api-token.`

func upCommand() *cobra.Command {
	var o up.Options
	var file, state string
	var detach bool
	var wraps map[string]string
	cmd := &cobra.Command{
		Use: "up", Short: "Run all of Leeward on this machine", Long: upLong, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if o.State, err = stateFolder(state); err != nil {
				return err
			}
			if o.Loopback, err = chooseLoopback(cmd.Flags(), os.Geteuid()); err != nil {
				return err
			}
			if o.Loopback {
				if file, err = simulate(o.State); err != nil {
					return err
				}
			}
			if detach && o.State.Running() {
				fmt.Fprintf(cmd.OutOrStdout(), "leeward is up already, its API at http://%s\n", o.APIAddr)
				return nil
			}
			if detach {
				return launch(cmd.Context(), o.State, cmd.OutOrStdout())
			}
			topology, err := readTopology(file)
			if err != nil {
				return err
			}
			for _, v := range topology.Vantages {
				o.Vantages = append(o.Vantages, v.Name)
			}
			o.Wrap = map[string][]string{}
			for name, command := range wraps {
				o.Wrap[name] = strings.Fields(command)
			}
			return run(cmd, o, file)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&file, "file", "f", "leeward.yaml", "the topology to run; it is applied once everything answers")
	f.StringVar(&state, "state", defaultState(), "state folder ($LEEWARD_STATE)")
	f.BoolVar(&detach, "detach", false, "return once everything answers; `leeward down` stops it")
	f.Bool("loopback", false, "simulate the regions on this machine, without builds; needs neither root nor Linux")
	f.StringVar(&o.BusAddr, "bus", "127.0.0.1:4222", "where NATS listens")
	f.StringVar(&o.APIAddr, "api", "127.0.0.1:8080", "where the API listens")
	f.StringVar(&o.ClickHouse, "clickhouse", "", "reference to a ClickHouse server's DSN, file:PATH or env:NAME; default the embedded engine")
	f.StringVar(&o.ClickHouseAddr, "clickhouse-addr", "127.0.0.1:8123", "where the embedded ClickHouse listens")
	f.StringVar(&o.BuildKit, "buildkit", "unix:///run/buildkit/buildkitd.sock", "address of buildkitd")
	f.StringVar(&o.BuildRoot, "build-root", ".", "folder that build contexts are below")
	f.StringToStringVar(&wraps, "wrap", nil, "NAME=COMMAND: put COMMAND in front of a child's, as prober-tokyo='nsenter --net=/run/netns/tokyo'")
	f.StringToStringVar(&o.Health, "health", nil, "NAME=HOST:PORT: where a service serves /livez, /readyz and /metrics, without authentication, instead of on loopback, as prober-tokyo=10.88.4.1:9110")
	return cmd
}

// chooseLoopback says whether to simulate the regions: when asked to, and where nothing else would do.
func chooseLoopback(flags *pflag.FlagSet, uid int) (bool, error) {
	asked, _ := flags.GetBool("loopback")
	if asked && flags.Changed("file") {
		return false, errors.New("--loopback has a topology of its own: leave --file out, and change what runs with `leeward apply`")
	}
	if asked || flags.Changed("loopback") || flags.Changed("file") {
		return asked, nil
	}
	_, err := os.Stat(flags.Lookup("file").DefValue)
	return errors.Is(err, os.ErrNotExist) && (uid != 0 || runtime.GOOS != "linux"), nil
}

// run runs everything in this process's foreground.
func run(cmd *cobra.Command, o up.Options, file string) error {
	var err error
	if o.Program, err = os.Executable(); err != nil {
		return err
	}
	if o.BuildRoot, err = filepath.Abs(o.BuildRoot); err != nil {
		return err
	}
	o.Log = zerolog.New(os.Stderr).With().Timestamp().Str("service", "up").Logger()
	o.Progress = cmd.OutOrStdout()
	if o.ClickHouse == "" {
		// Fetched here, once and with its progress shown, rather than by a child that has thirty seconds to answer.
		if _, err := locate(cmd.Context()); err != nil {
			return err
		}
		fmt.Fprintln(o.Progress, "ClickHouse is the embedded engine, for development and tests; production names a server with --clickhouse")
	}
	if o.Loopback {
		fmt.Fprintln(o.Progress, loopback.Banner)
	}
	err = up.Run(cmd.Context(), o, func() {
		if err := applyWhenReady(cmd, o, file); err != nil {
			fmt.Fprintln(o.Progress, "not applied:", err)
		}
		if o.Loopback {
			fmt.Fprintf(o.Progress, "%s\ntraffic comes in at http://127.0.0.1:8000; take a region away with `leeward loopback cut frankfurt`, and bring it back with `heal`\n", loopback.Banner)
		}
		fmt.Fprintf(o.Progress, "the API is at http://%s, its token in %s\n", o.APIAddr, o.State.APIToken())
		fmt.Fprintln(o.Progress, readyLine)
	})
	if cmd.Context().Err() != nil {
		return nil
	}
	return err
}

// readyLine is the last line of progress.
const readyLine = "leeward is up"

// applyWhenReady applies the topology once the gateway has read its buckets.
func applyWhenReady(cmd *cobra.Command, o up.Options, file string) error {
	program := root()
	program.SetArgs([]string{"apply", file, "--api", "http://" + o.APIAddr, "--token", "file:" + o.State.APIToken()})
	program.SetOut(o.Progress)
	var err error
	for range 100 {
		if err = program.ExecuteContext(cmd.Context()); err == nil || cmd.Context().Err() != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}

// launch starts this same command without --detach in a session of its own, and shows its progress until everything answers.
func launch(ctx context.Context, state up.State, out io.Writer) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(string(state), 0o700); err != nil {
		return err
	}
	log, err := os.OpenFile(state.UpLog(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	progress, child, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = progress.Close() }()
	var args []string
	for _, a := range os.Args[1:] {
		if a != "--detach" {
			args = append(args, a)
		}
	}
	// Not tied to ctx: it is to outlive this process.
	cmd := exec.Command(program, args...) //nolint:gosec // The program and its arguments are this process's own.
	cmd.Stdout, cmd.Stderr = child, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	_ = child.Close()
	interrupted := context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
	defer interrupted()
	lines := bufio.NewScanner(progress)
	for lines.Scan() {
		fmt.Fprintln(out, lines.Text())
		if lines.Text() == readyLine {
			return nil
		}
	}
	return errors.Join(fmt.Errorf("leeward did not come up; its log is %s:\n%s", state.UpLog(), tail(state.UpLog())), cmd.Wait())
}

func tail(file string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "\n")
}

func downCommand() *cobra.Command {
	state := ""
	cmd := &cobra.Command{
		Use: "down", Short: "Stop what `leeward up --detach` started", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			folder, err := stateFolder(state)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), 30*time.Second)
			defer cancel()
			wasUp, err := up.Down(ctx, folder)
			if err == nil && !wasUp {
				fmt.Fprintln(cmd.OutOrStdout(), "leeward is not up")
			}
			return err
		},
	}
	cmd.Flags().StringVar(&state, "state", defaultState(), "state folder ($LEEWARD_STATE)")
	return cmd
}

func defaultState() string {
	if s := os.Getenv("LEEWARD_STATE"); s != "" {
		return s
	}
	return ".state/leeward"
}

func stateFolder(path string) (up.State, error) {
	abs, err := filepath.Abs(path)
	return up.State(abs), err
}

func readTopology(file string) (schemas.Topology, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return schemas.Topology{}, fmt.Errorf("%w\nname a topology with --file (examples/leeward.yaml is one), or simulate regions on this machine with --loopback", err)
	}
	return config.Parse(file, data)
}

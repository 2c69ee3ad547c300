package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/pkg/clock"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/probe"
	"github.com/leeward-failover/leeward/services/prober/internal/schedule"
	"github.com/leeward-failover/leeward/services/prober/internal/strain"
	"github.com/leeward-failover/leeward/services/prober/internal/target"
)

// accuracy is what a machine's prober can tell apart, in microseconds.
type accuracy struct {
	// Lateness is how long after its due time a probe leaves.
	LatenessP50 uint32 `json:"lateness_p50_us"`
	LatenessP99 uint32 `json:"lateness_p99_us"`
	// ICMPError is how much longer than the shortest an echo on the loopback took, all of which is error.
	ICMP         string  `json:"icmp"`
	ICMPErrorP50 uint32  `json:"icmp_error_p50_us"`
	ICMPErrorP99 uint32  `json:"icmp_error_p99_us"`
	ICMPLost     int     `json:"icmp_lost"`
	KernelStamps float64 `json:"kernel_stamps_share"`
	// TCPError is the same of connections.
	TCPErrorP50 uint32 `json:"tcp_error_p50_us"`
	TCPErrorP99 uint32 `json:"tcp_error_p99_us"`
	// ClockError is how far the clock may be off by the kernel's own estimate, 0 when nobody steers it.
	ClockError int64    `json:"clock_error_us"`
	Saturated  bool     `json:"saturated"`
	Warnings   []string `json:"warnings"`
}

func selftest() *cobra.Command {
	var format string
	var lasts time.Duration
	cmd := &cobra.Command{
		Use:   "selftest",
		Short: "Measure how exactly this machine can measure",
		Long: "Measure the loopback, where every round trip takes next to nothing, so that what is measured is the error: how late probes leave, how exact their round trips are, whether the kernel stamps them,\n" +
			"whether the clock is steered and whether the processor has time.",
		Args: cobra.NoArgs,
	}
	cmd.Flags().DurationVar(&lasts, "duration", 5*time.Second, "how long to measure")
	output(cmd, &format)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if lasts < time.Second || lasts > time.Hour {
			return fmt.Errorf("--duration %s: from 1s to 1h", lasts)
		}
		a, err := test(cmd.Context(), lasts)
		if err != nil {
			return err
		}
		if format == "json" {
			return printJSON(cmd.OutOrStdout(), a)
		}
		a.print(cmd.OutOrStdout())
		return nil
	}
	return cmd
}

// each is how many targets of a kind are measured, once in every period.
const each, period = 200, time.Second

func test(ctx context.Context, lasts time.Duration) (accuracy, error) {
	server, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return accuracy{}, err
	}
	var serving sync.WaitGroup
	defer serving.Wait()
	defer func() { _ = server.Close() }()
	serving.Go(func() {
		for {
			conn, err := server.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	})
	samples, saturated, err := measure(ctx, lasts, server.Addr().String())
	if err != nil {
		return accuracy{}, err
	}
	a := accuracy{ClockError: clock.Error().Microseconds(), Saturated: saturated, Warnings: []string{}, ICMP: "measured"}
	a.sum(samples)
	return a, nil
}

// measure runs the prober's own wheel and probes against the loopback.
func measure(ctx context.Context, lasts time.Duration, tcp string) (samples []probe.Measurement, saturated bool, err error) {
	k := kit()
	defer k.Close(ctx)
	ctx, stop := context.WithTimeout(ctx, lasts)
	defer stop()
	w, s := schedule.NewWheel(), &strain.Strain{}
	w.Burst, w.Woke = k.Flush, s.Woke
	var mu sync.Mutex
	took := func(m probe.Measurement) {
		mu.Lock()
		defer mu.Unlock()
		if ctx.Err() == nil {
			samples, saturated = append(samples, m), saturated || s.Saturated()
		}
	}
	for i := range each {
		for _, t := range []target.Target{
			{Kind: schemas.KindICMP, Address: fmt.Sprintf("127.0.0.%d", 1+i), Timeout: period}, {Kind: schemas.KindTCP, Address: tcp, Timeout: period},
		} {
			beat := schedule.Beat{Interval: period, Phase: schedule.Spread(period, t.Kind.String(), fmt.Sprint(i)).Truncate(schedule.Tick)}
			w.Add(beat.Every(func(due time.Time) { k.Start(ctx, t, due, took) }, func(int) {}), beat.After(time.Now()))
		}
	}
	var running sync.WaitGroup
	running.Go(func() { _ = s.Run(ctx) })
	err = w.Run(ctx)
	k.Halt()
	running.Wait()
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	mu.Lock()
	defer mu.Unlock()
	return slices.Clone(samples), saturated, err
}

func (a *accuracy) sum(samples []probe.Measurement) {
	var late, icmp, tcp []uint32
	stamped := 0
	var trouble error
	for _, m := range samples {
		switch s := m.Sample; {
		case m.Err != nil && s.Kind == schemas.KindICMP:
			a.ICMPLost++
			trouble = m.Err
		case m.Err != nil:
		case s.Kind == schemas.KindICMP:
			icmp, late = append(icmp, s.FirstByteUS), append(late, s.LateUS)
			if s.Flags&schemas.KernelStamps != 0 {
				stamped++
			}
		default:
			tcp, late = append(tcp, s.ConnectUS), append(late, s.LateUS)
		}
	}
	a.LatenessP50, a.LatenessP99 = quantile(late, 0.5), quantile(late, 0.99)
	a.TCPErrorP50, a.TCPErrorP99 = above(tcp)
	if len(icmp) == 0 {
		a.ICMP = fmt.Sprintf("can not be measured: %v", trouble)
		a.warn("%s", a.ICMP)
	} else {
		a.ICMPErrorP50, a.ICMPErrorP99 = above(icmp)
		a.KernelStamps = float64(stamped) / float64(len(icmp))
	}
	if len(icmp) > 0 && a.KernelStamps < 0.99 {
		a.warn("the kernel stamped both ends of only %.0f %% of the echoes", 100*a.KernelStamps)
	}
	if a.ICMPLost > 0 && len(icmp) > 0 {
		a.warn("%d echoes on the loopback were lost: %v", a.ICMPLost, trouble)
	}
	if a.ClockError == 0 {
		a.warn("nobody steers this machine's clock (run chrony or systemd-timesyncd): round trips are right all the same, the time they are filed under may not be")
	}
	if a.Saturated {
		a.warn("the processor had no time for the prober at least once: samples taken then are marked saturated")
	}
}

func (a *accuracy) warn(format string, args ...any) {
	a.Warnings = append(a.Warnings, fmt.Sprintf(format, args...))
}

func quantile(values []uint32, q float64) uint32 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(q*float64(len(sorted)-1))]
}

// above are quantiles above the least.
func above(values []uint32) (p50, p99 uint32) {
	least := quantile(values, 0)
	return quantile(values, 0.5) - least, quantile(values, 0.99) - least
}

func (a accuracy) print(w io.Writer) {
	fmt.Fprintf(w, "%-34s %8s %8s\n", "microseconds", "p50", "p99")
	fmt.Fprintf(w, "%-34s %8d %8d\n", "a probe leaves late by", a.LatenessP50, a.LatenessP99)
	if a.ICMP == "measured" {
		fmt.Fprintf(w, "%-34s %8d %8d\n", "error of an icmp round trip", a.ICMPErrorP50, a.ICMPErrorP99)
	}
	fmt.Fprintf(w, "%-34s %8d %8d\n", "error of a tcp handshake", a.TCPErrorP50, a.TCPErrorP99)
	if a.ClockError > 0 {
		fmt.Fprintf(w, "The clock may be off by %.1f ms, says the kernel.\n", float64(a.ClockError)/1000)
	}
	for _, text := range a.Warnings {
		fmt.Fprintf(w, "warning: %s\n", text)
	}
	if len(a.Warnings) == 0 {
		fmt.Fprintln(w, "This machine measures well.")
	}
}

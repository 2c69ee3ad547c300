package command

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/explain"
	"github.com/leeward-failover/leeward/services/prober/internal/target"
)

// errFailed says that the target did not answer as it should; what is known of it was printed.
var errFailed = errors.New("the measurement failed")

func once() *cobra.Command {
	var format string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "once KIND TARGET",
		Short: "Measure a target once and explain it phase by phase",
		Long: "Measure a target once, as a prober would, and explain it phase by phase.\n\n" +
			"KIND is one of those of leeward.yaml (icmp, tcp, http, …), TARGET what leeward.yaml would have there: a host for icmp, host:port for tcp and tls, a URL for http, http_kept, dns and grpc, a repository's URL for registry, " +
			"a check of LEEWARD_PROBE_CHECKS for exec, a reference (env:NAME, file:/path) to a URL for databases.",
		Example: "  leeward probe once http https://shop.example/healthz\n  leeward probe once icmp 192.0.2.7 -o json",
		Args:    cobra.ExactArgs(2),
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Second, "when the measurement is given up")
	output(cmd, &format)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		kind, ok := schemas.ParseKind(args[0])
		k := kit()
		defer k.Close(cmd.Context())
		if !ok || !k.Knows(kind) {
			return fmt.Errorf("%q is no kind of probe; there are %s", args[0], strings.Join(k.Kinds(), ", "))
		}
		if timeout <= 0 {
			return fmt.Errorf("--timeout %s: must be longer than 0", timeout)
		}
		m := explain.Of(args[1], k.Measure(cmd.Context(), target.Target{Kind: kind, Address: args[1], Timeout: timeout}, time.Now()))
		if format == "json" {
			if err := printJSON(cmd.OutOrStdout(), m); err != nil {
				return err
			}
		} else {
			m.Print(cmd.OutOrStdout())
		}
		if m.Error != "" {
			return errFailed
		}
		return nil
	}
	return cmd
}

package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway/internal/importer"
)

func importCommand() *cobra.Command {
	c := &client{}
	var target importer.Target
	var at string
	cmd := &cobra.Command{
		Use: "import [FORMAT] APP FILE", Short: "Bring the results of a load generator or another monitor into ClickHouse, as samples of kind bench", Args: cobra.RangeArgs(2, 3),
		Long: "Bring the results of a load generator or another monitor into ClickHouse, as samples of kind bench.\n\nFORMAT is " + strings.Join(importer.Formats(), ", ") +
			", or " + importer.Auto + ", which goes by the content and may be left out. FILE is - for standard input.",
		Example: "  leeward import shop results.json --region frankfurt --variant slim --from london\n  leeward import jmeter shop results.csv",
		RunE: func(cmd *cobra.Command, args []string) error {
			format := importer.Auto
			if len(args) == 3 {
				format, args = args[0], args[1:]
			}
			target.App = args[0]
			if at != "" {
				var err error
				if target.Time, err = time.Parse(time.RFC3339, at); err != nil {
					return fmt.Errorf("--time: %q is not a time like 2026-11-21T04:00:00Z", at)
				}
			}
			file, err := openResults(cmd.Context(), args[1], cmd.InOrStdin())
			if err != nil {
				return err
			}
			defer func() { _ = file.Close() }()
			// The whole file is read before anything is sent: what can not be imported changes nothing.
			results, err := importer.Read(file, format, target)
			if err != nil {
				return fmt.Errorf("%s: %w; nothing was imported", args[1], err)
			}
			sent, of := 0, results.Samples
			err = results.Send(func(batch *schemas.SampleBatch) error {
				if err := c.postSamples(cmd.Context(), batch); err != nil {
					return err
				}
				sent += batch.Len()
				if isatty.IsTerminal(os.Stderr.Fd()) {
					fmt.Fprintf(os.Stderr, "\r%d of %d samples", sent, of)
				}
				return nil
			})
			if isatty.IsTerminal(os.Stderr.Fd()) {
				fmt.Fprint(os.Stderr, "\r\033[K")
			}
			if err != nil {
				return fmt.Errorf("%s: after %d samples: %w", args[1], sent, err)
			}
			if c.output == "json" {
				return printJSON(cmd.OutOrStdout(), results.Report)
			}
			if results.LeftOut > 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "%d rows were left out:\n  %s\n", results.LeftOut, strings.Join(results.Reasons, "\n  "))
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d samples of kind bench imported\n", results.Samples)
			return err
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&target.Region, "region", "", "region that answered, where the results do not say")
	cmd.Flags().StringVar(&target.Variant, "variant", "", "variant that answered, where the results do not say")
	cmd.Flags().StringVar(&target.From, "from", "", "region that the load came from, if any")
	cmd.Flags().StringVar(&at, "time", "", "when the run began or the measurement was, where the results do not say, as 2026-11-21T04:00:00Z")
	return cmd
}

// openResults opens a file that can be read twice, which standard input is not: it is put on the disk.
func openResults(ctx context.Context, name string, stdin io.Reader) (*os.File, error) {
	if name != "-" {
		return os.Open(name)
	}
	file, err := os.CreateTemp("", "leeward-import-*")
	if err != nil {
		return nil, err
	}
	err = keep(ctx, file, stdin)
	// Without a name it is gone once it is closed.
	if err := errors.Join(err, os.Remove(file.Name())); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// keep copies standard input until its end or ctx's. A read can not be ended: it is left behind, and the process ends with it.
func keep(ctx context.Context, file io.Writer, stdin io.Reader) error {
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(file, stdin)
		copied <- err
	}()
	select {
	case err := <-copied:
		return err
	case <-ctx.Done():
		return errStopped
	}
}

func (c *client) postSamples(ctx context.Context, batch *schemas.SampleBatch) error {
	data, err := batch.Encode()
	if err != nil {
		return err
	}
	var answer struct{}
	_, err = c.call(ctx, http.MethodPost, "/v1/samples", http.Header{"Content-Type": {"application/x-protobuf"}}, data, &answer)
	return err
}

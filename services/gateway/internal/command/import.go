package command

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway/internal/importer"
)

// perBatch is how many samples travel together.
const perBatch = 1000

// imports is what one import did so far.
type imports struct {
	*client
	batch schemas.SampleBatch
	stored
}

type stored struct {
	// Import names the results: the same results imported again have the same name.
	Import  string `json:"import"`
	Samples int    `json:"samples"`
}

func importCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "import", Short: "Bring the results of a load generator into ClickHouse, as samples of kind bench"}
	cmd.AddCommand(
		importOf("k6", "what `k6 run --out json=FILE` wrote", importer.K6),
		importOf("jmeter", "what `jmeter -n -t PLAN -l FILE` wrote", importer.JMeter),
	)
	return cmd
}

func importOf(tool, what string, read func(io.Reader, importer.Target, func(schemas.Sample) error) error) *cobra.Command {
	c := &client{}
	var target importer.Target
	var from string
	cmd := &cobra.Command{
		Use: tool + " APP FILE", Short: "Import " + what, Args: cobra.ExactArgs(2),
		Example: "  leeward import " + tool + " shop results --region frankfurt --variant slim --from london",
		RunE: func(cmd *cobra.Command, args []string) error {
			target.App = args[0]
			file, err := os.Open(args[1])
			if err != nil {
				return err
			}
			defer func() { _ = file.Close() }()
			i, err := c.open(file, target, from)
			if err != nil {
				return err
			}
			// The whole file is read before anything is sent: what can not be read changes nothing.
			if err := read(file, target, func(schemas.Sample) error { return nil }); err != nil {
				return fmt.Errorf("%s: %w; nothing was imported", args[1], err)
			}
			if _, err := file.Seek(0, io.SeekStart); err != nil {
				return err
			}
			if err := read(file, target, i.add); err != nil {
				return fmt.Errorf("%s: after %d samples: %w", args[1], i.Samples, err)
			}
			if err := i.send(); err != nil {
				return fmt.Errorf("%s: after %d samples: %w", args[1], i.Samples, err)
			}
			if c.output == "json" {
				return printJSON(cmd.OutOrStdout(), i.stored)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d samples of kind bench imported\n", i.Samples)
			return err
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&target.Region, "region", "", "region that answered, where the results do not say")
	cmd.Flags().StringVar(&target.Variant, "variant", "", "variant that answered, where the results do not say")
	cmd.Flags().StringVar(&from, "from", "", "region that the load came from, if any")
	return cmd
}

// open names the import after everything that decides what is stored, so that the bus can tell a repeated one.
func (c *client) open(file io.ReadSeeker, target importer.Target, from string) (*imports, error) {
	hash := sha256.New()
	fmt.Fprintf(hash, "%q", []string{target.App, target.Region, target.Variant, from})
	if _, err := io.Copy(hash, file); err != nil {
		return nil, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	sum := hash.Sum(nil)
	i := &imports{client: c, stored: stored{Import: hex.EncodeToString(sum[:8])}}
	i.batch.Vantage, i.batch.VantageRegion, i.batch.Boot = schemas.ImportVantage, from, binary.BigEndian.Uint64(sum)>>1|1
	i.batch.Counter = 1
	return i, nil
}

func (i *imports) add(s schemas.Sample) error {
	i.batch.Append(s)
	if i.batch.Len() < perBatch {
		return nil
	}
	return i.send()
}

// send posts the open batch and begins the next.
func (i *imports) send() error {
	if i.batch.Len() == 0 {
		return nil
	}
	data, err := i.batch.Encode()
	if err != nil {
		return err
	}
	var answer struct {
		Samples int `json:"samples"`
	}
	if _, err := i.call(http.MethodPost, "/v1/samples", http.Header{"Content-Type": {"application/x-protobuf"}}, data, &answer); err != nil {
		return err
	}
	i.Samples += answer.Samples
	i.batch = schemas.SampleBatch{Vantage: i.batch.Vantage, VantageRegion: i.batch.VantageRegion, Boot: i.batch.Boot, Counter: i.batch.Counter + 1}
	return nil
}

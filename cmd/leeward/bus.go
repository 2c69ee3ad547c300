package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/natsd"
	"github.com/leeward-failover/leeward/schemas"
)

// busCommand is what `leeward up` does to its own bus, for a NATS server that others run.
func busCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "bus", Short: "Set up a NATS server of your own"}
	cmd.AddCommand(busKeysCommand(), busCreateCommand())
	return cmd
}

func busKeysCommand() *cobra.Command {
	o := natsd.Options{Log: zerolog.Nop()}
	var file, config string
	var group int
	cmd := &cobra.Command{
		Use: "keys", Short: "Make the bus users' missing keys, and the configuration file of nats-server", Args: cobra.NoArgs,
		Long: `Makes an nkey seed for each service and each vantage of a leeward.yaml that has none yet, and writes a configuration file for nats-server that names their
public keys and what each may do. Run it again after adding a vantage, and have the server read the file again (kill -HUP).
A user who has a folder of that name in the folder of keys gets the seed in there, as nkey; the others get NAME.nk.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			vantages, err := vantagesOf(file)
			if err != nil {
				return err
			}
			o.Vantages = vantages
			if err := o.WriteConfig(config); err != nil {
				return err
			}
			if group >= 0 {
				if err := natsd.ShareKeys(o.Keys, o.Vantages, group); err != nil {
					return err
				}
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s names the services and the vantages %v\n", config, o.Vantages)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVarP(&file, "file", "f", "leeward.yaml", "the topology, for its vantages")
	f.StringVar(&o.Keys, "keys", "", "folder of the seeds")
	f.StringVar(&config, "config", "nats.conf", "configuration file to write")
	f.StringVar(&o.Addr, "listen", "0.0.0.0:4222", "where the server listens")
	f.StringVar(&o.Store, "store", "/data", "where the server keeps its streams")
	f.IntVar(&group, "group", -1, "id of a group that may read the seeds; default only who makes them")
	_ = cmd.MarkFlagRequired("keys")
	return cmd
}

func busCreateCommand() *cobra.Command {
	var file, url, keys string
	cmd := &cobra.Command{
		Use: "create", Short: "Make the streams, buckets and consumers that are missing; what is there stays", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			vantages, err := vantagesOf(file)
			if err != nil {
				return err
			}
			return createBus(cmd.Context(), cmd.OutOrStdout(), url, natsd.SeedFile(keys, string(schemas.Setup)), vantages)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&file, "file", "f", "leeward.yaml", "the topology, for its vantages")
	f.StringVar(&url, "url", "nats://127.0.0.1:4222", "where the bus is")
	f.StringVar(&keys, "keys", "", "folder of the seeds")
	_ = cmd.MarkFlagRequired("keys")
	return cmd
}

func createBus(ctx context.Context, out io.Writer, url, seed string, vantages []string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	b, err := bus.Connect(bus.Options{URL: url, Seed: seed, Service: schemas.Setup, Log: zerolog.Nop()})
	if err != nil {
		return err
	}
	defer b.Close()
	if err := b.Create(ctx, vantages); err != nil {
		return fmt.Errorf("bus at %s: %w", url, err)
	}
	fmt.Fprintf(out, "the bus at %s holds every stream, bucket and consumer\n", url)
	return nil
}

func vantagesOf(file string) ([]string, error) {
	topology, err := readTopology(file)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(topology.Vantages))
	for _, v := range topology.Vantages {
		names = append(names, v.Name)
	}
	return names, nil
}

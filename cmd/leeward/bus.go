package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
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
	cmd.AddCommand(busKeysCommand(), busDeployCommand(), busCreateCommand())
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

func busDeployCommand() *cobra.Command {
	var d natsd.Deployment
	var file, out string
	var hub, leaves []string
	cmd := &cobra.Command{
		Use: "deploy", Short: "Write what the servers of a hub and of regions' leaves include", Args: cobra.NoArgs,
		Long: `Writes what deploy/nats/hub.conf and leaf.conf include: the users with what each may do, the hub's routes, and each leaf's way to the hub. Seeds that are missing are made.
The files for the hub's servers are in OUT/hub, those for a leaf in a folder named for its region. Run it again after adding a vantage or a leaf, and have the servers read
their files again (kill -HUP).`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			topology, err := readTopology(file)
			if err != nil {
				return err
			}
			if d, err = deploymentOf(topology, d.Keys, hub, leaves); err != nil {
				return err
			}
			if err := d.Write(out); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s holds the files of the hub %v and of the leaves %v\n", out, hub, leaves)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVarP(&file, "file", "f", "leeward.yaml", "the topology, for its vantages and where they are")
	f.StringVar(&d.Keys, "keys", "", "folder of the seeds")
	f.StringSliceVar(&hub, "hub", nil, "the hub's servers by host name, three")
	f.StringSliceVar(&leaves, "leaf", nil, "regions that get a server of their own for samples")
	f.StringVar(&out, "out", "nats", "folder to write to")
	_ = cmd.MarkFlagRequired("keys")
	_ = cmd.MarkFlagRequired("hub")
	return cmd
}

// deploymentOf gives the hub's servers the ports that deploy/nats/README.md names, and each leaf the vantages of its region.
func deploymentOf(topology schemas.Topology, keys string, hub, leaves []string) (natsd.Deployment, error) {
	d := natsd.Deployment{Keys: keys}
	for _, host := range hub {
		d.Hub = append(d.Hub, natsd.Node{Routes: net.JoinHostPort(host, "6222"), Leaves: net.JoinHostPort(host, "7422")})
	}
	for _, region := range leaves {
		if !slices.ContainsFunc(topology.Regions, func(r schemas.Region) bool { return r.Name == region }) {
			return d, fmt.Errorf("leaf %s: the topology has no such region", region)
		}
		d.Leaves = append(d.Leaves, natsd.Leaf{Domain: region})
	}
	for _, v := range topology.Vantages {
		d.Vantages = append(d.Vantages, v.Name)
		if i := slices.Index(leaves, v.Region); i >= 0 {
			d.Leaves[i].Vantages = append(d.Leaves[i].Vantages, v.Name)
		}
	}
	return d, nil
}

func busCreateCommand() *cobra.Command {
	var file, url, keys string
	var replicas int
	var leaf bool
	cmd := &cobra.Command{
		Use: "create", Short: "Make the streams, buckets and consumers that are missing; what is there stays", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o := bus.Options{URL: url, Seed: natsd.SeedFile(keys, string(schemas.Setup)), Service: schemas.Setup, Replicas: replicas, Log: zerolog.Nop()}
			if leaf {
				return createLeaf(cmd.Context(), cmd.OutOrStdout(), o)
			}
			vantages, err := vantagesOf(file)
			if err != nil {
				return err
			}
			return createBus(cmd.Context(), cmd.OutOrStdout(), o, vantages)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&file, "file", "f", "leeward.yaml", "the topology, for its vantages")
	f.StringVar(&url, "url", "nats://127.0.0.1:4222", "where the bus is, several servers by comma")
	f.StringVar(&keys, "keys", "", "folder of the seeds")
	f.IntVar(&replicas, "replicas", 0, "copies of each stream and bucket, 3 for a hub of three servers; without it they stay as many as they are, one at first")
	f.BoolVar(&leaf, "leaf", false, "the server is a region's leaf, which holds samples only")
	_ = cmd.MarkFlagRequired("keys")
	return cmd
}

func createBus(ctx context.Context, out io.Writer, o bus.Options, vantages []string) error {
	return setUp(ctx, o, func(ctx context.Context, b *bus.Bus) error {
		if err := b.Create(ctx, vantages); err != nil {
			return err
		}
		fmt.Fprintf(out, "the bus at %s holds every stream, bucket and consumer\n", o.URL)
		return nil
	})
}

func createLeaf(ctx context.Context, out io.Writer, o bus.Options) error {
	return setUp(ctx, o, func(ctx context.Context, b *bus.Bus) error {
		domain, err := b.In("")
		if err != nil {
			return err
		}
		if err := domain.CreateSamples(ctx); err != nil {
			return err
		}
		fmt.Fprintf(out, "the leaf at %s holds the stream of samples\n", o.URL)
		return nil
	})
}

func setUp(ctx context.Context, o bus.Options, do func(context.Context, *bus.Bus) error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	b, err := bus.Connect(o)
	if err != nil {
		return err
	}
	defer b.Close()
	if err := do(ctx, b); err != nil {
		return fmt.Errorf("bus at %s: %w", o.URL, err)
	}
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

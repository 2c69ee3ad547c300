package main

import (
	"net/netip"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/roundtrip"
	"github.com/leeward-failover/leeward/test/world/site"
	"github.com/leeward-failover/leeward/test/world/wan"
)

func wanCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "wan", Hidden: true, Args: cobra.NoArgs, Short: "Be the network between the sites (supervise starts it)"}
	state := stateFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		folder, err := state()
		if err != nil {
			return err
		}
		table, err := roundtrip.InterRegion()
		if err != nil {
			return err
		}
		config := wan.Config{Device: site.Device}
		titles := map[string]string{}
		for _, s := range site.All() {
			titles[s.Name] = s.Title
			config.Sites = append(config.Sites, wan.Site{Name: s.Name, Namespace: s.Namespace, Addr: netip.PrefixFrom(s.Addr(), site.Prefix.Bits())})
		}
		config.RTT = func(a, b wan.Site) (time.Duration, error) { return table.RTT(titles[a.Name], titles[b.Name]) }
		network, err := wan.Open(config)
		if err != nil {
			return err
		}
		g, ctx := errgroup.WithContext(cmd.Context())
		g.Go(func() error { return network.Run(ctx) })
		g.Go(func() error { return network.Serve(ctx, folder.WANSocket()) })
		return g.Wait()
	}
	return cmd
}

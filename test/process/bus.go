package process

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/pkg/natsd"
)

// StartBus starts NATS as a child of this binary, which must call ServeBus when its first argument is nats. It syncs every write unless that is what is measured.
func StartBus(ctx context.Context, dir, addr string, synced bool) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p, err := Start(dir, "nats", nil, self, "nats", "-addr", addr, "-store", filepath.Join(dir, "nats"), "-keys", filepath.Join(dir, "keys"), fmt.Sprintf("-synced=%t", synced))
	if err != nil {
		return nil, err
	}
	return p, Until(ctx, "NATS", func() error {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err
	})
}

// ServeBus is the child that runs NATS as `leeward serve nats` does.
func ServeBus(ctx context.Context, args, vantages []string) error {
	f := flag.NewFlagSet("nats", flag.ContinueOnError)
	o := natsd.Options{Vantages: vantages, Log: zerolog.New(os.Stderr).Level(zerolog.WarnLevel)}
	f.StringVar(&o.Addr, "addr", "", "")
	f.StringVar(&o.Store, "store", "", "")
	f.StringVar(&o.Keys, "keys", "", "")
	synced := f.Bool("synced", true, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	o.Unsynced = !*synced
	return natsd.Run(ctx, o)
}

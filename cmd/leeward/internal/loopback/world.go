package loopback

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/pkg/socks"
)

// World is the simulated regions, and the way between them.
type World struct {
	Network *Network
	Ports   Ports
	// Bus is where the bus listens.
	Bus string
	Log zerolog.Logger
}

// Run serves every place until ctx ends; listening is called once all of it listens.
func (w World) Run(ctx context.Context, listening func()) error {
	g, ctx := errgroup.WithContext(ctx)
	var open []net.Listener
	defer func() {
		for _, l := range open {
			_ = l.Close()
		}
	}()
	listen := func(at netip.AddrPort) (net.Listener, error) {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", at.String())
		if err != nil {
			return nil, fmt.Errorf("the simulated regions listen on ports %d to %d of 127.0.0.1: %w", w.Ports, int(w.Ports)+perSite*len(sites)-1, err)
		}
		open = append(open, l)
		return l, nil
	}
	var serve []func() error
	for _, s := range sites {
		for at, handle := range map[netip.AddrPort]func(context.Context, *net.TCPConn){
			w.Ports.Anchor(s): func(_ context.Context, conn *net.TCPConn) { _ = conn.Close() },
			w.Ports.Proxy(s):  func(ctx context.Context, conn *net.TCPConn) { w.proxy(ctx, s, conn) },
			w.Ports.Bus(s):    func(ctx context.Context, conn *net.TCPConn) { w.bus(ctx, s, conn) },
		} {
			l, err := listen(at)
			if err != nil {
				return err
			}
			serve = append(serve, func() error { return accept(ctx, l, handle) })
		}
		if s == Entry {
			continue
		}
		for _, variant := range Variants {
			l, err := listen(w.Ports.App(s, variant))
			if err != nil {
				return err
			}
			serve = append(serve, func() error { return daemon.Serve(ctx, l, app(s, variant)) })
		}
	}
	for _, f := range serve {
		g.Go(f)
	}
	listening()
	return g.Wait()
}

// accept handles each connection until ctx ends, and waits for all of them.
func accept(ctx context.Context, l net.Listener, handle func(context.Context, *net.TCPConn)) error {
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	var work sync.WaitGroup
	defer work.Wait()
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		work.Go(func() {
			defer func() { _ = conn.Close() }()
			defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
			handle(ctx, conn.(*net.TCPConn)) //nolint:forcetypeassert // the listener is one of TCP
		})
	}
}

// errNowhere is the answer to who asks for an address outside the simulation.
var errNowhere = fmt.Errorf("the address is not in a simulated region: %w", socks.ErrForbidden)

// proxy connects who is in a place with another.
func (w World) proxy(ctx context.Context, from Site, client *net.TCPConn) {
	r, err := socks.Accept(client)
	if err != nil {
		w.Log.Debug().Err(err).Msg("no request for a connection")
		return
	}
	to, known := w.Ports.site(r.Target)
	if !known {
		w.Log.Warn().Str("from", string(from)).Str("target", r.Target.String()).Msg("target is not in a simulated region")
		_ = r.Answer(client, errNowhere)
		return
	}
	p := path{w.Network, from, to}
	conn, early, err := p.connect(ctx, client, r.Target.String())
	if !errors.Is(err, errHungUp) && r.Answer(client, err) == nil && err == nil {
		p.carry(ctx, client, conn, early)
	}
}

// bus connects who is in a place with the bus.
func (w World) bus(ctx context.Context, from Site, client *net.TCPConn) {
	p := path{w.Network, from, Entry}
	if conn, early, err := p.connect(ctx, client, w.Bus); err == nil {
		p.carry(ctx, client, conn, early)
	}
}

// Package wan is a wide-area network in user space: a TUN device per site and the real delay between any two of them.
// A site can be cut off: its packets vanish, those under way included, and nobody is told. There is no loss, jitter or
// limit of rate otherwise.
package wan

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// Site is one end of the network.
type Site struct {
	// Name is what Cut and Heal call it.
	Name string
	// Namespace is its network namespace, "" for the machine's own.
	Namespace string
	// Addr is its address and the prefix that all sites share.
	Addr netip.Prefix
}

// Config describes a network.
type Config struct {
	// Device is the name of the TUN device in every namespace.
	Device string
	// Sites are its ends.
	Sites []Site
	// RTT says how long a round trip between two sites takes.
	RTT func(a, b Site) (time.Duration, error)
}

// WAN is an open network.
type WAN struct {
	config Config
	opened time.Time
	tuns   []int // file descriptors
	stop   event
	queues []*queue
	sites  map[netip.Addr]int
	delay  [][]time.Duration
	cut    []atomic.Bool
	large  sync.Pool
}

// Open makes the devices. Packets move while Run runs, and Run must be called: it also removes the devices.
func Open(config Config) (*WAN, error) {
	stop, err := newEvent()
	if err != nil {
		return nil, err
	}
	w := &WAN{
		config: config,
		opened: time.Now(),
		stop:   stop,
		sites:  map[netip.Addr]int{},
		cut:    make([]atomic.Bool, len(config.Sites)),
		large:  sync.Pool{New: func() any { b := make([]byte, headerSize+1<<16); return &b }},
	}
	for i, a := range config.Sites {
		w.sites[a.Addr.Addr()] = i
		delays := make([]time.Duration, len(config.Sites))
		for j, b := range config.Sites {
			if i == j {
				continue
			}
			rtt, err := config.RTT(a, b)
			if err != nil {
				return nil, err
			}
			delays[j] = rtt / 2
		}
		w.delay = append(w.delay, delays)
	}
	for i, site := range config.Sites {
		tun, err := openTUN(site.Namespace, config.Device, site.Addr)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("site %s: %w", site.Name, err), w.close())
		}
		w.tuns = append(w.tuns, tun)
		q, err := newQueue(len(config.Sites), w.opened, tun, func(from int) bool { return w.cut[from].Load() || w.cut[i].Load() })
		if err != nil {
			return nil, errors.Join(err, w.close())
		}
		w.queues = append(w.queues, q)
	}
	return w, nil
}

// Run moves packets until ctx ends, and then removes the devices.
func (w *WAN) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for i := range w.config.Sites {
		g.Go(func() error { return w.read(i) })
		g.Go(func() error { w.queues[i].run(); return nil })
	}
	g.Go(func() error {
		<-ctx.Done()
		w.stop.ring() // never cleared: every reader sees it
		for _, q := range w.queues {
			q.stop()
		}
		return nil
	})
	return errors.Join(g.Wait(), w.close())
}

func (w *WAN) close() error {
	var errs []error
	for _, tun := range w.tuns {
		errs = append(errs, unix.Close(tun))
	}
	for _, q := range w.queues {
		q.wake.close()
	}
	w.stop.close()
	return errors.Join(errs...)
}

// read takes packets from the device of a site and sends them on their way, until stop.
func (w *WAN) read(from int) error {
	defer ownThread()()
	poll := []unix.PollFd{{Fd: int32(w.tuns[from]), Events: unix.POLLIN}, {Fd: int32(w.stop), Events: unix.POLLIN}}
	buffer := w.large.Get().(*[]byte)
	for {
		n, err := unix.Read(w.tuns[from], *buffer)
		if err == unix.EAGAIN {
			_, _ = unix.Ppoll(poll, nil, nil)
			if poll[1].Revents != 0 {
				return nil
			}
			continue
		}
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("read from %s: %w", w.config.Sites[from].Name, err)
		}
		to, ok := w.destination((*buffer)[:n])
		if !ok || to == from || w.cut[from].Load() || w.cut[to].Load() {
			continue
		}
		if n <= 2048 {
			// Small packets are copied, so that acknowledgements do not each hold a large buffer for the whole way.
			w.queues[to].push(from, append([]byte(nil), (*buffer)[:n]...), w.delay[from][to], func() {})
			continue
		}
		sent := buffer
		if w.queues[to].push(from, (*sent)[:n], w.delay[from][to], func() { w.large.Put(sent) }) {
			buffer = w.large.Get().(*[]byte)
		}
	}
}

// destination finds the site of an IPv4 packet behind its virtio header.
func (w *WAN) destination(data []byte) (int, bool) {
	if len(data) < headerSize+20 || data[headerSize]>>4 != 4 {
		return 0, false
	}
	to, ok := w.sites[netip.AddrFrom4([4]byte(data[headerSize+16:headerSize+20]))]
	return to, ok
}

// Cut makes a site unreachable for all others until Heal.
func (w *WAN) Cut(name string) error {
	return w.set(name, true)
}

// Heal undoes Cut.
func (w *WAN) Heal(name string) error {
	return w.set(name, false)
}

func (w *WAN) set(name string, cut bool) error {
	for i, site := range w.config.Sites {
		if site.Name == name {
			w.cut[i].Store(cut)
			return nil
		}
	}
	return fmt.Errorf("no site is called %q", name)
}

// Link is the state of the way between two sites.
type Link struct {
	From  string  `json:"from"`
	To    string  `json:"to"`
	RTTms float64 `json:"rtt_ms"`
	Cut   bool    `json:"cut"`
}

// Links lists every pair of sites once.
func (w *WAN) Links() []Link {
	var links []Link
	for i, a := range w.config.Sites {
		for j, b := range w.config.Sites[:i] {
			links = append(links, Link{
				From: b.Name, To: a.Name,
				RTTms: 2 * w.delay[j][i].Seconds() * 1000,
				Cut:   w.cut[i].Load() || w.cut[j].Load(),
			})
		}
	}
	return links
}

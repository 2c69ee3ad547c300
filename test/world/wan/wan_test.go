package wan_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/leeward-failover/leeward/pkg/roundtrip"
	"github.com/leeward-failover/leeward/test/world/netns"
	"github.com/leeward-failover/leeward/test/world/wan"
)

// The tests have their own addresses and namespaces, so that they run beside a world.
const device = "lwt-wan0"

var (
	entry     = site("Madrid", 0, "")
	frankfurt = site("Frankfurt", 1, "lwt-frankfurt")
	london    = site("London", 2, "lwt-london")
	tokyo     = site("Tokyo", 4, "lwt-tokyo")
	sites     = []wan.Site{entry, frankfurt, london, tokyo}
)

func site(name string, index byte, namespace string) wan.Site {
	return wan.Site{Name: name, Namespace: namespace, Addr: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 89, index, 1}), 16)}
}

func TestRoundTripsAreThoseOfTheTable(t *testing.T) {
	table, _ := start(t)
	for i, a := range sites {
		for _, b := range sites[:i] {
			listener := listen(t, b)
			want, err := table.RTT(a.Name, b.Name)
			if err != nil {
				t.Fatal(err)
			}
			// Both ends of the measurement share two processors with other tests, so some tries come late; that three
			// are on time, and none is early, shows the delay itself.
			var rtts []time.Duration
			for onTime := 0; onTime < 3 && len(rtts) < 40; {
				rtt := connect(t, a, listener.Addr().String())
				rtts = append(rtts, rtt)
				if rtt <= want+time.Millisecond {
					onTime++
				}
			}
			slices.Sort(rtts)
			if rtts[0] < want || rtts[2] > want+time.Millisecond {
				t.Errorf("%s to %s: three fastest round trips %v of %d, want %v to %v", a.Name, b.Name, rtts[:3], len(rtts), want, want+time.Millisecond)
			}
			t.Logf("%s to %s: table %v, three fastest %v of %d", a.Name, b.Name, want, rtts[:3], len(rtts))
		}
	}
}

func TestCutSwallowsPacketsUntilHeal(t *testing.T) {
	_, socket := start(t)
	listener := listen(t, frankfurt)
	connect(t, entry, listener.Addr().String())
	for _, command := range []string{"cut Frankfurt", "rtt"} {
		if _, err := wan.Send(t.Context(), socket, command); err != nil {
			t.Fatal(err)
		}
	}
	for _, from := range []wan.Site{entry, london} {
		var timeout net.Error
		if _, err := dial(from, listener.Addr().String(), 300*time.Millisecond); !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("dial a cut site from %s: %v, want a time-out", from.Name, err)
		}
	}
	others := listen(t, london)
	connect(t, entry, others.Addr().String())
	if _, err := wan.Send(t.Context(), socket, "heal Frankfurt"); err != nil {
		t.Fatal(err)
	}
	connect(t, entry, listener.Addr().String())
	if _, err := wan.Send(t.Context(), socket, "cut Atlantis"); err == nil {
		t.Error("cutting an unknown site returned no error")
	}
}

func TestBulkIsFast(t *testing.T) {
	start(t)
	const size = 64 << 20
	listener := listen(t, frankfurt)
	began := time.Now()
	received := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			received <- err
			return
		}
		n, err := io.Copy(io.Discard, conn)
		if n != size {
			err = fmt.Errorf("received %d of %d bytes: %w", n, size, err)
		}
		received <- err
	}()
	conn, err := dial(entry, listener.Addr().String(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if err := <-received; err != nil {
		t.Fatal(err)
	}
	seconds := time.Since(began).Seconds()
	t.Logf("%.0f MB/s over %s", size/seconds/1e6, "29.5 ms")
	if rate := size / seconds / 1e6; rate < 20 {
		t.Errorf("bulk from the entry to Frankfurt moved %.1f MB/s, want at least 20", rate)
	}
}

// start runs a network for the length of a test and returns its table and its command socket.
func start(t *testing.T) (roundtrip.Table, string) {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("network namespaces need root")
		}
		t.Skip("network namespaces need root")
	}
	table, err := roundtrip.InterRegion()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sites {
		if s.Namespace == "" {
			continue
		}
		if err := errors.Join(netns.Delete(s.Namespace), netns.Add(s.Namespace)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := netns.Delete(s.Namespace); err != nil {
				t.Error(err)
			}
		})
	}
	network, err := wan.Open(wan.Config{Device: device, Sites: sites, RTT: func(a, b wan.Site) (time.Duration, error) { return table.RTT(a.Name, b.Name) }})
	if err != nil {
		t.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "lw") //nolint:usetesting // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	socket := filepath.Join(folder, "wan.sock")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- network.Run(ctx) }()
	go func() { done <- network.Serve(ctx, socket) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
	return table, socket
}

// listen opens a listener in a site; the kernel completes connections without Accept.
func listen(t *testing.T, at wan.Site) net.Listener {
	t.Helper()
	var listener net.Listener
	err := netns.Do(at.Namespace, func() (err error) {
		listener, err = net.Listen("tcp", at.Addr.Addr().String()+":0")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}

// connect opens and closes a connection and returns how long the open took: one round trip.
func connect(t *testing.T, from wan.Site, address string) time.Duration {
	t.Helper()
	to := netip.MustParseAddrPort(address)
	var took time.Duration
	err := netns.Do(from.Namespace, func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), -20) // the thread ends with this function
		// A blocking system call rather than package net, whose scheduling would be measured too.
		began := time.Now()
		err = unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()})
		took = time.Since(began)
		return err
	})
	if err != nil {
		t.Fatalf("from %s: %v", from.Name, err)
	}
	return took
}

func dial(from wan.Site, address string, timeout time.Duration) (net.Conn, error) {
	var conn net.Conn
	err := netns.Do(from.Namespace, func() (err error) {
		conn, err = net.DialTimeout("tcp", address, timeout)
		return err
	})
	return conn, err
}

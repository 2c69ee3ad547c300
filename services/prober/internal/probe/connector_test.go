package probe_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/socks"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/guard"
	"github.com/leeward-failover/leeward/services/prober/internal/probe"
	"github.com/leeward-failover/leeward/services/prober/internal/target"
)

// started measures a target as the prober's beat does, and returns when that has ended.
func started(t *testing.T, k *probe.Kit, of target.Target) probe.Measurement {
	t.Helper()
	ended := make(chan probe.Measurement, 1)
	k.Start(context.Background(), of, time.Now(), func(m probe.Measurement) { ended <- m })
	k.Flush()
	select {
	case m := <-ended:
		return m
	case <-time.After(of.Timeout + 10*time.Second):
		t.Fatalf("%s %s does not end", of.Kind, of.Address)
	}
	return probe.Measurement{}
}

func tcp(address string, timeout time.Duration) target.Target {
	return target.Target{App: "shop", Region: "tokyo", Variant: "slim", Kind: schemas.KindTCP, Address: address, Timeout: timeout}
}

func TestConnectionsThatAreAskedForTogetherEndEachInItsWay(t *testing.T) {
	k := kit(t)
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	open, silent, refuses := serve(t, says("ok")).host(), deafListener(t), deafAddress(t)
	wanted := map[string]schemas.Outcome{open: schemas.OK, l.Addr().String(): schemas.OK, refuses: schemas.Refused, silent: schemas.TimedOut}
	type ended struct {
		address string
		probe.Measurement
	}
	all := make(chan ended, len(wanted))
	for address := range wanted {
		k.Start(t.Context(), tcp(address, timeout), time.Now(), func(m probe.Measurement) { all <- ended{address, m} })
	}
	k.Flush()
	for range wanted {
		e := <-all
		s := e.Sample
		if s.Outcome != wanted[e.address] || (e.Err == nil) != (s.Outcome == schemas.OK) || s.ConnectUS == 0 || s.ConnectUS > s.LatencyUS {
			t.Errorf("%s ended %s (%v) with %+v, want %s", e.address, s.Outcome, e.Err, s, wanted[e.address])
		}
		if s.Outcome == schemas.TimedOut && (s.LatencyUS < uint32(timeout.Microseconds()) || s.LatencyUS > 10*uint32(timeout.Microseconds())) {
			t.Errorf("a time-out took %d µs", s.LatencyUS)
		}
		if s.Outcome == schemas.OK && s.Flags&schemas.KernelStamps == 0 {
			t.Errorf("the kernel does not say how long %s took: %+v", e.address, s)
		}
	}
}

// TestConnectionThatIsAnsweredAtTheSecondAsking has a server that drops the first packet, as a full one does: the kernel's round trip is that of the second, a second later, and what the client waited for both.
func TestConnectionThatIsAnsweredAtTheSecondAsking(t *testing.T) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	filler, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = filler.Close() })
	time.AfterFunc(300*time.Millisecond, func() {
		if conn, _, err := syscall.Accept(fd); err == nil {
			_ = syscall.Close(conn)
		}
	})
	m := started(t, kit(t), tcp(address, 5*time.Second))
	if s := m.Sample; m.Err != nil || s.ConnectUS < 900_000 || s.Flags&schemas.KernelStamps != 0 {
		t.Errorf("%+v (%v), want a second and more, and no stamps", s, m.Err)
	}
}

func TestConnectionsAreAskedForWithPermissionOnly(t *testing.T) {
	s := serve(t, says("ok"))
	k := probe.NewKit("london", socks.Dialer{Permit: new(guard.Guard).Permit}, nil)
	defer k.Close(context.Background())
	if m := started(t, k, tcp(s.host(), timeout)); m.Err == nil || !strings.Contains(m.Err.Error(), "LEEWARD_PROBE_ALLOW") {
		t.Errorf("%+v: %v", m.Sample, m.Err)
	}
	if n := s.opened.Load(); n > 0 {
		t.Errorf("%d connections were opened", n)
	}
	g := &guard.Guard{Private: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	allowed := probe.NewKit("london", socks.Dialer{Permit: g.Permit}, nil)
	defer allowed.Close(context.Background())
	if m := started(t, allowed, tcp(s.host(), timeout)); m.Err != nil {
		t.Error(m.Err)
	}
}

func TestHaltEndsConnectionsThatAreAskedFor(t *testing.T) {
	k := probe.NewKit("london", socks.Dialer{}, nil)
	ended := make(chan probe.Measurement, 2)
	end := func(m probe.Measurement) { ended <- m }
	silent := deafListener(t)
	k.Start(t.Context(), tcp(silent, time.Hour), time.Now(), end)
	k.Flush()
	k.Start(t.Context(), tcp(silent, time.Hour), time.Now(), end) // never flushed
	k.Halt()
	k.Close(context.Background())
	for range 2 {
		select {
		case m := <-ended:
			if m.Err == nil {
				t.Errorf("%+v", m.Sample)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("a measurement does not end")
		}
	}
}

// isolated runs the test that calls it in a process and a network namespace of its own, with its loopback up, and returns false in the process that only waits for that.
func isolated(t *testing.T, prepare ...string) bool {
	t.Helper()
	privileged(t)
	const inside = "LEEWARD_TEST_ISOLATED"
	if os.Getenv(inside) == t.Name() {
		for _, line := range append([]string{"ip link set lo up"}, prepare...) {
			if out, err := exec.CommandContext(t.Context(), "sh", "-c", line).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", line, err, out)
			}
		}
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-span="+span.String())
	cmd.Env = append(os.Environ(), inside+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if t.Log(string(out)); err != nil {
		t.Error(err)
	}
	return false
}

// TestTwentyThousandFreshConnectionsLeaveNoPortAndNoFileBehind has a tenth of the ports there would be in a second if each was kept for late packets, as a connection that is closed the usual way is for a minute.
func TestTwentyThousandFreshConnectionsLeaveNoPortAndNoFileBehind(t *testing.T) {
	if !isolated(t, "echo 30000 31999 >/proc/sys/net/ipv4/ip_local_port_range") {
		return
	}
	perSecond := 2_000
	if alone() {
		perSecond = 20_000
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	var targets []target.Target
	for range perSecond {
		targets = append(targets, tcp(l.Addr().String(), time.Second))
	}
	k := kit(t)
	started(t, k, targets[0])
	before := files(t)
	ran := *span
	if alone() {
		ran = 10 * time.Second
	}
	ended, failed := map[schemas.Outcome]int{}, 0
	for _, samples := range beat(t, k, time.Second, ran, targets) {
		for _, s := range samples {
			if ended[s.Outcome]++; s.Outcome != schemas.OK {
				failed++
			}
		}
	}
	t.Logf("%d connections a second asked for during %s: %v", perSecond, ran, ended)
	// A machine that is short of processors answers late; one that is short of ports at once.
	if other := failed - ended[schemas.TimedOut]; other > 0 || ended[schemas.OK] < perSecond {
		t.Errorf("%d connections could not be asked for", other)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if n := waiting(t, port); n > 0 {
		t.Errorf("%d connections wait for late packets", n)
	}
	if after := files(t); after > before+5 {
		t.Errorf("%d files are open after, %d were before", after, before)
	}
}

// files counts what the process has open.
func files(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

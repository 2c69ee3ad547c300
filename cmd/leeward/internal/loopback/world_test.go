package loopback_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/cmd/leeward/internal/loopback"
	"github.com/leeward-failover/leeward/pkg/socks"
)

// world is a world of its own for a test, on ports that nobody has.
type world struct {
	*loopback.Network
	loopback.Ports
}

func start(t *testing.T, bus string) world {
	t.Helper()
	network, err := loopback.NewNetwork()
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		w := world{network, loopback.Ports(20000 + 500*rand.IntN(20))}
		ctx, cancel := context.WithCancel(context.Background())
		listening, ended := make(chan struct{}), make(chan error, 1)
		go func() {
			ended <- loopback.World{Network: network, Ports: w.Ports, Bus: bus, Log: zerolog.Nop()}.Run(ctx, func() { close(listening) })
		}()
		select {
		case <-listening:
			t.Cleanup(func() {
				cancel()
				select {
				case <-ended:
				case <-time.After(20 * time.Second):
					t.Error("the world does not end")
				}
			})
			return w
		case <-ended: // the ports are taken
			cancel()
		}
	}
	t.Fatal("no free ports were found")
	return world{}
}

func (w world) dial(ctx context.Context, from, to loopback.Site) (net.Conn, error) {
	return socks.Dialer{Proxy: w.Proxy(from).String()}.DialContext(ctx, "tcp", w.App(to, "slim").String())
}

// get asks a region's app for its page on a connection of its own.
func (w world) get(ctx context.Context, from, to loopback.Site) (instance string, took time.Duration, err error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: socks.Dialer{Proxy: w.Proxy(from).String()}.DialContext}}
	began := time.Now()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.App(to, "slim").String()+"/healthz", nil)
	if err != nil {
		return "", 0, err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", time.Since(began), err
	}
	_, err = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	return response.Header.Get("X-Leeward-Instance"), time.Since(began), err
}

// inTime tries again what a busy machine made late, and fails when it was early or never in time.
func inTime(t *testing.T, what string, want, tolerance time.Duration, measure func() (time.Duration, error)) {
	t.Helper()
	best := time.Hour
	for range 10 {
		got, err := measure()
		if err != nil {
			t.Errorf("%s: %v", what, err)
			return
		}
		if got < want {
			t.Errorf("%s took %s, less than %s", what, got, want)
			return
		}
		if best = min(best, got); best <= want+tolerance {
			return
		}
	}
	t.Errorf("%s took %s at best, want %s and at most %s more", what, best, want, tolerance)
}

func TestConnectsAndDataTakeTheirTime(t *testing.T) {
	w := start(t, "")
	var all sync.WaitGroup
	defer all.Wait()
	// All at once: none may wait for another.
	for _, from := range []loopback.Site{loopback.Entry, "frankfurt", "tokyo"} {
		for _, to := range loopback.Regions() {
			rtt := w.RTT(from, to)
			name := fmt.Sprintf("%s to %s", from, to)
			all.Go(func() {
				inTime(t, name+", connect", rtt, 2*time.Millisecond, func() (time.Duration, error) {
					began := time.Now()
					conn, err := w.dial(t.Context(), from, to)
					took := time.Since(began)
					if err == nil {
						_ = conn.Close()
					}
					return took, err
				})
				inTime(t, name+", request", 2*rtt, 4*time.Millisecond, func() (time.Duration, error) {
					instance, took, err := w.get(t.Context(), from, to)
					if err == nil && instance[:len(to)+6] != string(to)+"/slim/" {
						err = fmt.Errorf("answered by %s", instance)
					}
					return took, err
				})
			})
		}
	}
}

func TestCutRegionVanishesAndComesBack(t *testing.T) {
	w := start(t, "")
	open, err := w.dial(t.Context(), loopback.Entry, "london")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	for _, region := range []loopback.Site{"frankfurt", "london"} {
		if err := w.Cut(region); err != nil {
			t.Fatal(err)
		}
	}
	for _, way := range [][2]loopback.Site{{loopback.Entry, "frankfurt"}, {loopback.Entry, "london"}, {"frankfurt", "tokyo"}, {"frankfurt", "london"}} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		_, err := w.dial(ctx, way[0], way[1])
		cancel()
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("%s to %s while cut: %v, want a time-out", way[0], way[1], err)
		}
	}
	for _, way := range [][2]loopback.Site{{loopback.Entry, "dallas"}, {"frankfurt", "frankfurt"}} {
		if _, _, err := w.get(t.Context(), way[0], way[1]); err != nil {
			t.Errorf("%s to %s while others are cut: %v", way[0], way[1], err)
		}
	}
	if _, err := io.WriteString(open, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	_ = open.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if n, err := open.Read(make([]byte, 1)); err == nil {
		t.Errorf("an open connection to a cut region gave %d bytes", n)
	}
	if err := w.Heal("london"); err != nil {
		t.Fatal(err)
	}
	// What was sent in the cut is sent again, and arrives.
	_ = open.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := open.Read(make([]byte, 1)); err != nil {
		t.Errorf("the open connection after the cut: %v", err)
	}
	if _, _, err := w.get(t.Context(), loopback.Entry, "london"); err != nil {
		t.Errorf("london healed: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, _, err := w.get(ctx, loopback.Entry, "frankfurt"); err == nil {
		t.Error("frankfurt answers, though only london was healed")
	}
}

func TestConnectWaitsForTheEndOfACut(t *testing.T) {
	w := start(t, "")
	if err := w.Cut("london"); err != nil {
		t.Fatal(err)
	}
	const lasts = 150 * time.Millisecond
	began := time.Now()
	time.AfterFunc(lasts, func() { _ = w.Heal("london") })
	if _, _, err := w.get(t.Context(), loopback.Entry, "london"); err != nil {
		t.Fatal(err)
	}
	if took, least := time.Since(began), lasts+2*w.RTT(loopback.Entry, "london"); took < least {
		t.Errorf("took %s, less than the cut and the way, %s", took, least)
	}
}

func TestWhatIsOnItsWayIsLostInACut(t *testing.T) {
	w := start(t, "")
	conn, err := w.dial(t.Context(), loopback.Entry, "tokyo")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	// The request has left and can not have arrived.
	<-time.After(w.RTT(loopback.Entry, "tokyo") / 4)
	if err := errors.Join(w.Cut("tokyo"), w.Heal("tokyo")); err != nil {
		t.Fatal(err)
	}
	healed := time.Now()
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if took, least := time.Since(healed), w.RTT(loopback.Entry, "tokyo")-time.Millisecond; took < least {
		t.Errorf("answered %s after the cut, less than a round trip, %s", took, least)
	}
}

func TestOnlyRegionsAreCutAndOnlyTheSimulationIsReached(t *testing.T) {
	w := start(t, "")
	for _, place := range []loopback.Site{loopback.Entry, "paris", ""} {
		if err := w.Cut(place); err == nil {
			t.Errorf("%q was cut", place)
		}
	}
	outside := httptest.NewServer(http.NotFoundHandler())
	defer outside.Close()
	for _, address := range []string{outside.Listener.Addr().String(), w.Proxy("london").String(), "192.0.2.1:80"} {
		if _, err := (socks.Dialer{Proxy: w.Proxy(loopback.Entry).String()}).DialContext(t.Context(), "tcp", address); !errors.Is(err, socks.ErrForbidden) {
			t.Errorf("%s through the proxy: %v, want forbidden", address, err)
		}
	}
}

func TestAnchorsAndTheBusAreReachedByTheWay(t *testing.T) {
	bus, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	go func() {
		for {
			conn, err := bus.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "INFO")
			_ = conn.Close()
		}
	}()
	w := start(t, bus.Addr().String())
	conn, err := socks.Dialer{Proxy: w.Proxy("dallas").String()}.DialContext(t.Context(), "tcp", w.Anchor("london").String())
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	began := time.Now()
	toBus, err := net.Dial("tcp", w.Bus("dallas").String())
	if err != nil {
		t.Fatal(err)
	}
	defer toBus.Close()
	said, err := io.ReadAll(toBus)
	if took := time.Since(began); err != nil || string(said) != "INFO" || took < w.RTT("dallas", loopback.Entry) {
		t.Errorf("the bus says %q after %s, %v", said, took, err)
	}
}

package lease_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/pkg/lease"
	"github.com/leeward-failover/leeward/schemas"
)

func nothing() {}

const ttl = 2 * time.Second

// keep runs a keeper until the returned function or the test ends it.
func keep(t *testing.T, s *bustest.Server, holder string, turned func()) (*lease.Keeper, func()) {
	t.Helper()
	b := s.Connect(schemas.Actuator, "")
	leases := bus.NewMirror(b, schemas.LeaseBucket)
	k := keeper(b, leases, holder, turned)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	mirroring, stop := context.WithCancel(context.WithoutCancel(ctx))
	running.Go(func() { _ = leases.Run(mirroring) })
	running.Go(func() { _ = k.Run(ctx); stop() })
	end := func() { cancel(); running.Wait() }
	t.Cleanup(end)
	return k, end
}

func keeper(b *bus.Bus, leases *bus.Mirror[schemas.Lease], holder string, turned func()) *lease.Keeper {
	return lease.New(lease.Options{Bus: b, Leases: leases, Bucket: schemas.LeaseBucket, Of: "shop", Holder: holder, TTL: ttl, Turned: turned, Log: zerolog.Nop()})
}

// await waits until a keeper holds the lease, and returns how long that took.
func await(t *testing.T, k *lease.Keeper) time.Duration {
	t.Helper()
	since := time.Now()
	for {
		changed := k.Changed()
		if k.Held() {
			return time.Since(since)
		}
		select {
		case <-changed:
		case <-time.After(15 * time.Second):
			t.Fatal("the lease was never won")
		}
	}
}

func TestLeaseGivenBackIsTakenAtOnce(t *testing.T) {
	s := bustest.Start(t)
	one, end := keep(t, s, "one", nothing)
	await(t, one)
	two, _ := keep(t, s, "two", nothing)
	select {
	case <-two.Changed():
		t.Fatal("the second won while the first holds")
	case <-time.After(ttl + ttl/2):
	}
	if !one.Held() {
		t.Error("the first does not renew")
	}
	end()
	if took := await(t, two); took > ttl*2/3 {
		t.Errorf("taken after %s: it expired, and was not given back", took)
	}
}

func TestHolderWithoutABusStopsBeforeItsLeaseCanBeAnothers(t *testing.T) {
	s := bustest.Start(t)
	k, _ := keep(t, s, "one", nothing)
	await(t, k)
	s.Stop()
	lapse(t, k)
	s.Restart()
	await(t, k)
}

// TestHolderThatIsStuckStopsByTheClock holds up the goroutine that renews, as a pause of the whole process does.
func TestHolderThatIsStuckStopsByTheClock(t *testing.T) {
	stuck := make(chan struct{})
	s := bustest.Start(t)
	k, _ := keep(t, s, "one", func() { <-stuck })
	t.Cleanup(func() { close(stuck) })
	await(t, k)
	lapse(t, k)
}

// TestWorkBeginsAgainWhereTheLeaseIsWonBeforeItHasEnded: the keeper does not wait for the work it did before, and what that work says of its end is not held against the new lease.
func TestWorkBeginsAgainWhereTheLeaseIsWonBeforeItHasEnded(t *testing.T) {
	s := bustest.Start(t)
	b := s.Connect(schemas.Actuator, "")
	leases := bus.NewMirror(b, schemas.LeaseBucket)
	k := keeper(b, leases, "one", nothing)
	ctx, cancel := context.WithCancel(t.Context())
	begun := make(chan int, 2)
	times := 0
	var running sync.WaitGroup
	running.Go(func() { _ = leases.Run(ctx) })
	var err error
	running.Go(func() {
		err = k.While(ctx, func(holding context.Context) error {
			times++
			begun <- times
			<-holding.Done()
			if times == 1 {
				await(t, k)
				return errors.New("the lease was lost under it")
			}
			return holding.Err()
		})
	})
	<-begun
	s.Stop()
	lapse(t, k)
	s.Restart()
	select {
	case <-begun:
	case <-time.After(15 * time.Second):
		t.Error("the lease is held, and the work for it was not begun again")
	}
	cancel()
	running.Wait()
	if !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

// lapse waits until the lease is no longer held, which must be before it can be another's.
func lapse(t *testing.T, k *lease.Keeper) {
	t.Helper()
	for since := time.Now(); k.Held(); time.Sleep(time.Millisecond) {
		if time.Since(since) > ttl {
			t.Fatal("held for as long as the lease lives without being renewed")
		}
	}
}

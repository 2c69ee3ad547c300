package recorder_test

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/schemas"
)

var (
	rounds = flag.Int("rounds", 10, "rounds of the exactly-once test")
	seed   = flag.Uint64("seed", 1, "seed of its faults")
)

// stormVantages are in four partitions between them.
var stormVantages = []string{"dallas", "frankfurt", "london", "madrid", "paris", "tokyo"}

// storm is a world in which everything may be killed: two recorders, a publisher per vantage, the engine and the bus.
type storm struct {
	*world
	cut        *cut
	random     *rand.Rand
	recorders  []*child
	publishers []*child
}

// child is a process of this test that may be killed, frozen and started again.
type child struct {
	*exec.Cmd
	name, variable string
	env            []string
}

func (c *child) start(t *testing.T) {
	t.Helper()
	c.Cmd = exec.Command(os.Args[0])
	c.Env = append(os.Environ(), c.variable+"=1")
	c.Env = append(c.Env, c.env...)
	if testing.Verbose() {
		c.Stderr = os.Stderr
	}
	ready, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	if c.variable == publisherVariable {
		// One that is told to stop before it listens for that would end as if it were killed.
		_, _ = io.ReadFull(ready, make([]byte, 1))
	}
}

// end tells it to stop and waits.
func (c *child) end(t *testing.T) {
	t.Helper()
	_ = c.Process.Signal(syscall.SIGTERM)
	if err := c.Wait(); err != nil {
		t.Errorf("%s ended with %v", c.name, err)
	}
}

func newStorm(t *testing.T, without string) *storm {
	s := &storm{world: newWorldOf(t, stormVantages...), random: rand.New(rand.NewPCG(*seed, 1))}
	s.cut = newCut(s.world)
	s.env["LEEWARD_TEST_WITHOUT"], s.env["LEEWARD_FLUSH_INTERVAL"] = without, "40ms"
	for i := range 2 {
		c := &child{name: fmt.Sprint("recorder ", i), variable: childVariable}
		for name, value := range s.env {
			c.env = append(c.env, name+"="+value)
		}
		if i > 0 {
			c.env = append(c.env, "LEEWARD_HEALTH_ADDR="+freeAddr(t))
		}
		s.recorders = append(s.recorders, c)
	}
	for _, v := range stormVantages {
		s.publishers = append(s.publishers, &child{name: "publisher " + v, variable: publisherVariable, env: []string{
			"LEEWARD_NATS_URL=" + s.bus.URL(), "LEEWARD_NATS_SEED=" + s.bus.Seed(schemas.Prober, v), "LEEWARD_VANTAGE=" + v, "LEEWARD_STATE=" + s.acknowledged(v),
		}})
	}
	// The tables come first: a recorder that is killed in the middle of a migration makes the next one wait for its lock.
	s.recorders[0].start(t)
	s.untilReady()
	s.recorders[0].end(t)
	t.Cleanup(func() {
		for _, c := range s.recorders {
			if t.Failed() && c.Cmd != nil { // what it waits for is in its stacks
				_ = c.Process.Signal(syscall.SIGCONT)
				_ = c.Process.Signal(syscall.SIGQUIT)
				time.Sleep(time.Second)
			}
		}
		for _, c := range append(s.recorders, s.publishers...) {
			if c.Cmd != nil {
				_ = c.Process.Signal(syscall.SIGCONT)
				kill(c.Cmd)
			}
		}
	})
	return s
}

func (s *storm) acknowledged(vantage string) string {
	return filepath.Join(s.engine.Dir(), "..", vantage+".acknowledged")
}

// TestExactlyOnce shows that every acknowledged sample is in ClickHouse once, whatever is killed, frozen, wiped or lost on the way.
func TestExactlyOnce(t *testing.T) {
	s := newStorm(t, "")
	for round := range *rounds {
		faults := s.round()
		s.settle()
		if err := s.check(); err != nil {
			t.Fatalf("seed %d, round %d, %s: %v", *seed, round, strings.Join(faults, ", "), err)
		}
		t.Logf("round %d: %s: %d samples", round, strings.Join(faults, ", "), s.published())
	}
}

// TestExactlyOnceNeedsItsGuards turns each guard off and wants to see it missed.
func TestExactlyOnceNeedsItsGuards(t *testing.T) {
	for _, guard := range []string{"token", "fence"} {
		t.Run(guard, func(t *testing.T) {
			s := newStorm(t, guard)
			for range 30 { // mostly the first does; on a busy machine the moments that the guard is for are rarer
				s.round()
				s.settle()
				if err := s.check(); err != nil {
					t.Logf("without the %s: %v", guard, err)
					return
				}
			}
			t.Errorf("nothing was lost or doubled without the %s: it guards nothing, or the test sees nothing", guard)
		})
	}
}

// round lets everything run with a few faults on the way, and says which.
func (s *storm) round() (faults []string) {
	for _, c := range append(s.recorders, s.publishers...) {
		c.start(s.T)
	}
	lottery := func(string) bool { return rand.IntN(5) == 0 }
	s.cut.lose.Store(&lottery)
	delay := func(string) time.Duration {
		if rand.IntN(10) > 0 {
			return 0
		}
		return time.Duration(50+rand.IntN(400)) * time.Millisecond
	}
	s.cut.delay.Store(&delay)
	s.doze(300)
	for range 1 + s.random.IntN(3) {
		f := []fault{
			{"recorder killed", s.killRecorder}, {"recorder frozen", s.freezeRecorder}, {"ClickHouse killed", s.killEngine},
			{"publisher killed", s.killPublisher}, {"bus restarted", s.bus.Restart}, {"old blocks replayed", s.replay}, {"bus wiped", s.wipe},
		}[s.random.IntN(7)]
		f.strike()
		faults = append(faults, f.name)
		s.doze(400)
	}
	return faults
}

type fault struct {
	name   string
	strike func()
}

// doze waits for a random time: when a fault strikes is the random part of the test.
func (s *storm) doze(most int) { time.Sleep(time.Duration(20+s.random.IntN(most)) * time.Millisecond) }

func (s *storm) killRecorder() {
	c := s.recorders[s.random.IntN(2)]
	kill(c.Cmd)
	s.doze(200)
	c.start(s.T)
}

// freezeRecorder holds a recorder past its lease, so that another has its partitions when it wakes.
func (s *storm) freezeRecorder() {
	c := s.recorders[s.random.IntN(2)]
	_ = c.Process.Signal(syscall.SIGSTOP)
	time.Sleep(2500 * time.Millisecond)
	_ = c.Process.Signal(syscall.SIGCONT)
}

func (s *storm) killEngine() {
	s.engine.Kill()
	s.doze(300)
	s.engine.Restart()
}

func (s *storm) killPublisher() {
	c := s.publishers[s.random.IntN(len(s.publishers))]
	kill(c.Cmd)
	s.doze(100)
	c.start(s.T)
}

// replay makes every partition forget that its last block is in, as a recorder does that dies before it could say so.
func (s *storm) replay() {
	for _, c := range s.recorders {
		kill(c.Cmd)
	}
	forget(s.T, s.bus.Connect(schemas.Recorder, ""))
	for _, c := range s.recorders {
		c.start(s.T)
	}
}

// forget makes every partition's last block one of which nobody knows whether it is in.
func forget(t *testing.T, b *bus.Bus) {
	t.Helper()
	for _, p := range schemas.Partitions() {
		e, err := bus.Get(t.Context(), b, schemas.IntentBucket, p.Name)
		if errors.Is(err, bus.ErrNotFound) {
			continue
		}
		if err == nil {
			e.Value.State = "before"
			_, err = bus.Put(t.Context(), b, schemas.IntentBucket, e.Value, bus.Condition{Revision: bus.At(e.Revision)})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// wipe takes the bus's data away once all of it is recorded: what comes then has the sequences of what is in ClickHouse.
func (s *storm) wipe() {
	s.calm()
	for _, c := range s.publishers {
		c.end(s.T)
	}
	s.untilDone(schemas.Samples)
	s.bus.Wipe()
	for _, c := range s.publishers {
		c.start(s.T)
	}
}

func (s *storm) calm() {
	s.cut.lose.Store(nil)
	s.cut.delay.Store(nil)
}

// settle lets what is under way arrive and ends every process but the engine and the bus.
func (s *storm) settle() {
	s.calm()
	for _, c := range s.publishers {
		c.end(s.T)
	}
	s.untilDone(schemas.Samples)
	s.cut.delayed.Wait()
	for _, c := range s.recorders {
		kill(c.Cmd)
	}
}

// published is how many samples the bus has acknowledged to the publishers.
func (s *storm) published() (samples uint64) {
	for _, v := range stormVantages {
		last, err := lastAcknowledged(s.acknowledged(v))
		if err != nil {
			s.Fatal(err)
		}
		for counter := uint64(1); counter <= last; counter++ {
			samples += uint64(rowsOf(counter))
		}
	}
	return samples
}

// check compares what was acknowledged with what is in ClickHouse.
func (s *storm) check() error {
	published := s.published()
	var problems []error
	for query, want := range map[string]uint64{
		"SELECT count() FROM samples":                                      published,
		"SELECT uniqExact(vantage, boot, counter, batch_row) FROM samples": published,
		"SELECT toUInt64(sum(samples)) FROM samples_1m":                    published,
		"SELECT toUInt64(sum(samples)) FROM samples_1h":                    published,
		"SELECT count() FROM quarantine":                                   0,
		"SELECT toUInt64(sum(failures)) FROM samples_1m":                   s.failures(),
		"SELECT toUInt64(sum(failures)) FROM samples_1h":                   s.failures(),
	} {
		if got, err := s.number(query); err != nil || got != want {
			problems = append(problems, errors.Join(err, fmt.Errorf("%s: %d, want %d", query, got, want)))
		}
	}
	return errors.Join(problems...)
}

func (s *storm) failures() uint64 {
	n, err := s.number("SELECT uniqExactIf((vantage, boot, counter, batch_row), outcome != 'ok') FROM samples")
	if err != nil {
		s.Fatal(err)
	}
	return n
}

// publisherVariable makes the test's binary a publisher.
const publisherVariable = "LEEWARD_TEST_PUBLISHER"

// rowsOf is how many samples a batch of that number has.
func rowsOf(counter uint64) int { return 1 + int(counter*7919%60) }

// publishForEver publishes batch after batch as a prober with its spool does: one that may or may not have been stored is sent again as it was.
func publishForEver(ctx context.Context, proc daemon.Process) error {
	vantage, path := proc.Getenv("LEEWARD_VANTAGE"), proc.Getenv("LEEWARD_STATE")
	service := schemas.Prober
	if vantage == "" {
		service = schemas.Gateway
	}
	b, err := bus.Connect(bus.Options{URL: proc.Getenv("LEEWARD_NATS_URL"), Seed: proc.Getenv("LEEWARD_NATS_SEED"), Service: service, Vantage: vantage, Log: zerolog.Nop()})
	if err != nil {
		return err
	}
	defer b.Close()
	state, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = state.Close() }()
	last, err := lastAcknowledged(path)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(proc.Stdout, "\n"); err != nil {
		return err
	}
	for counter := last + 1; ctx.Err() == nil; counter++ {
		for {
			if err := publishOne(context.WithoutCancel(ctx), b, vantage, counter); err == nil {
				break
			}
			if ctx.Err() != nil {
				// Whether it was stored is not known: the next run sends it again.
				return ctx.Err()
			}
		}
		if _, err := state.WriteAt(binary.BigEndian.AppendUint64(nil, counter), 0); err != nil {
			return err
		}
		time.Sleep(3 * time.Millisecond)
	}
	return ctx.Err()
}

// publishOne publishes a batch of a vantage, or an event when there is none.
func publishOne(ctx context.Context, b *bus.Bus, vantage string, counter uint64) error {
	if vantage == "" {
		return b.PublishRaw(ctx, "leeward.alert.received.v1.shop.x", fmt.Sprint("event-", counter), []byte(`{"app":"shop"}`))
	}
	return publish(ctx, b, batch(vantage, counter, rowsOf(counter), time.Now().Truncate(time.Hour).Add(time.Duration(counter)*time.Millisecond)))
}

func lastAcknowledged(path string) (uint64, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(data) == 0 {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(data), nil
}

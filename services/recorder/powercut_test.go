package recorder_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/chembedtest"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/pkg/natsd"
	"github.com/leeward-failover/leeward/schemas"
)

// disk is a file system on a file, so that a copy of the file is what a power cut leaves: what was synced is in it, what is only in the page cache is not.
type disk struct {
	t            *testing.T
	image, mount string
}

func newDisk(t *testing.T, dir, name string) *disk {
	t.Helper()
	d := &disk{t, filepath.Join(dir, name+".ext4"), filepath.Join(dir, name)}
	if err := os.MkdirAll(d.mount, 0o755); err != nil {
		t.Fatal(err)
	}
	d.do("truncate", "-s", "100G", d.image)
	d.do("mkfs.ext4", "-q", d.image)
	d.do("mount", "-o", "loop,commit=300", d.image, d.mount)
	t.Cleanup(func() { _ = exec.Command("umount", d.mount).Run() })
	return d
}

func (d *disk) do(command string, args ...string) {
	d.t.Helper()
	if out, err := exec.Command(command, args...).CombinedOutput(); err != nil {
		d.t.Fatalf("%s %s: %v: %s", command, strings.Join(args, " "), err, out)
	}
}

// copy takes what is on the disk at this moment; nobody may be writing.
func (d *disk) copy() { d.do("cp", "--sparse=always", d.image, d.image+".cut") }

// restore goes on with what was copied.
func (d *disk) restore() {
	d.do("umount", d.mount)
	d.do("mv", d.image+".cut", d.image)
	d.do("mount", "-o", "loop,commit=300", d.image, d.mount)
}

// busVariable makes the test's binary a bus.
const busVariable = "LEEWARD_TEST_BUS"

func serveBus(ctx context.Context, proc daemon.Process) error {
	return natsd.Run(ctx, busOptions(proc.Getenv("LEEWARD_BUS_ADDR"), proc.Getenv("LEEWARD_STATE"), proc.Getenv("LEEWARD_KEYS"), proc.Getenv("LEEWARD_TEST_UNSYNCED") != ""))
}

func busOptions(addr, store, keys string, unsynced bool) natsd.Options {
	return natsd.Options{Addr: addr, Store: store, Keys: keys, Vantages: stormVantages[:2], Unsynced: unsynced, Log: zerolog.Nop()}
}

// outage is a bus and a ClickHouse on disks of their own, with all that writes to them.
type outage struct {
	*testing.T
	// without is the guard that is turned off, if any.
	without         string
	dir, keys, addr string
	bus, recorder   *child
	publishers      []*child
	engine          *chembedtest.Engine
	db              *clickhouse.DB
	disks           []*disk
}

func newOutage(t *testing.T, without string) *outage {
	t.Helper()
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("a power cut needs root, to mount file systems")
		}
		t.Skip("a power cut needs root, to mount file systems")
	}
	dir := t.TempDir()
	o := &outage{T: t, without: without, dir: dir, keys: filepath.Join(dir, "keys"), addr: freeAddr(t)}
	busDisk, tableDisk := newDisk(t, dir, "bus"), newDisk(t, dir, "tables")
	o.disks = []*disk{busDisk, tableDisk}
	if err := natsd.CreateKeys(o.keys, stormVantages[:2]); err != nil {
		t.Fatal(err)
	}
	busEnv := []string{"LEEWARD_BUS_ADDR=" + o.addr, "LEEWARD_STATE=" + filepath.Join(busDisk.mount, "store"), "LEEWARD_KEYS=" + o.keys}
	if without == "syncs of the bus" {
		busEnv = append(busEnv, "LEEWARD_TEST_UNSYNCED=1")
	}
	o.bus = &child{name: "bus", variable: busVariable, env: busEnv}
	o.bus.start(t)
	o.engine = chembedtest.StartEngineIn(t, filepath.Join(tableDisk.mount, "engine"))
	db, err := clickhouse.Open(o.engine.DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	o.db = db
	o.recorder = &child{name: "recorder", variable: childVariable, env: []string{
		"LEEWARD_NATS_URL=nats://" + o.addr, "LEEWARD_NATS_SEED=" + natsd.SeedFile(o.keys, string(schemas.Recorder)), "LEEWARD_CLICKHOUSE_DSN=" + o.engine.DSN(),
		"LEEWARD_HEALTH_ADDR=" + freeAddr(t), "LEEWARD_LEASE_TTL=2s", "LEEWARD_FLUSH_INTERVAL=40ms",
	}}
	if without == "look" {
		o.recorder.env = append(o.recorder.env, "LEEWARD_TEST_WITHOUT=look")
	}
	o.publishers = []*child{o.publisher(schemas.Gateway, "")}
	for _, v := range stormVantages[:2] {
		o.publishers = append(o.publishers, o.publisher(schemas.Prober, v))
	}
	t.Cleanup(func() {
		for _, c := range append(o.publishers, o.recorder, o.bus) {
			if c.Cmd != nil {
				kill(c.Cmd)
			}
		}
	})
	return o
}

func (o *outage) publisher(s schemas.Service, vantage string) *child {
	return &child{name: "publisher " + vantage, variable: publisherVariable, env: []string{
		"LEEWARD_NATS_URL=nats://" + o.addr, "LEEWARD_NATS_SEED=" + natsd.SeedFile(o.keys, schemas.UserName(s, vantage)), "LEEWARD_VANTAGE=" + vantage, "LEEWARD_STATE=" + o.acknowledged(vantage),
	}}
}

func (o *outage) acknowledged(vantage string) string {
	return filepath.Join(o.dir, vantage+".acknowledged")
}

// acked is how many messages of a publisher the bus has acknowledged.
func (o *outage) acked(vantage string) uint64 {
	o.Helper()
	n, err := lastAcknowledged(o.acknowledged(vantage))
	if err != nil {
		o.Fatal(err)
	}
	return n
}

// connect waits for the bus.
func (o *outage) connect(s schemas.Service) *bus.Bus {
	o.Helper()
	b, err := bus.Connect(bus.Options{URL: "nats://" + o.addr, Seed: natsd.SeedFile(o.keys, string(s)), Service: s, Log: zerolog.Nop()})
	if err != nil {
		o.Fatal(err)
	}
	o.Cleanup(b.Close)
	return b
}

func (o *outage) until(try func() error) { (&world{T: o.T}).until(try) }

// TestPowerCutLosesNothingAcknowledged cuts the power of the bus's and of ClickHouse's disk at one moment, in the middle of everything.
func TestPowerCutLosesNothingAcknowledged(t *testing.T) {
	if err := powerCut(newOutage(t, "")); err != nil {
		t.Error(err)
	}
}

// TestPowerCutNeedsItsGuards turns off what makes the disk keep things, on one side at a time, and the look for a block before it is sent again, and wants to see something lost or doubled.
func TestPowerCutNeedsItsGuards(t *testing.T) {
	for _, guard := range []string{"syncs of the bus", "syncs of ClickHouse", "look"} {
		t.Run(guard, func(t *testing.T) {
			err := powerCut(newOutage(t, guard))
			if err == nil {
				t.Errorf("nothing was lost or doubled without the %s: it guards nothing, or the test sees nothing", guard)
			}
			t.Logf("without the %s: %v", guard, err)
		})
	}
}

func powerCut(o *outage) error {
	t := o.T
	o.until(func() error { return o.connect(schemas.Setup).Create(t.Context(), stormVantages[:2]) })
	o.recorder.start(t)
	o.until(func() error { _, err := o.number("SELECT count() FROM drills"); return err }) // the last table
	if o.without == "syncs of ClickHouse" {
		for _, table := range []string{"samples", "events"} {
			if err := o.db.Exec(t.Context(), "ALTER TABLE "+table+" MODIFY SETTING fsync_after_insert = 0, fsync_part_directory = 0"); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range o.publishers {
		c.start(t)
	}
	// What comes first is recorded when the power fails, what comes last is only on the bus, and what is between them is on its way.
	o.until(func() error {
		if n, err := o.number("SELECT count() FROM samples"); err != nil || n < 5_000 {
			return fmt.Errorf("%d samples, %v, want 5,000", n, err)
		}
		return nil
	})
	kill(o.recorder.Cmd)
	forget(t, o.connect(schemas.Recorder))
	before := o.acked("dallas")
	o.until(func() error {
		if n := o.acked("dallas"); n < before+100 {
			return fmt.Errorf("%d messages acknowledged, want 100 more", n-before)
		}
		return nil
	})
	o.cutPower()

	o.bus.start(t)
	o.engine.Restart()
	o.recorder.start(t)
	return o.lost()
}

// cutPower ends everything at once and goes on with the disks as they were.
func (o *outage) cutPower() {
	for _, c := range append(o.publishers, o.bus) {
		_ = c.Process.Signal(syscall.SIGSTOP)
	}
	if err := o.engine.Signal(syscall.SIGSTOP); err != nil {
		o.Fatal(err)
	}
	for _, d := range o.disks {
		d.copy()
	}
	for _, c := range append(o.publishers, o.bus) {
		kill(c.Cmd)
	}
	o.engine.Kill()
	for _, d := range o.disks {
		d.restore()
	}
}

// lost waits for everything acknowledged to be in ClickHouse, and says what is not.
func (o *outage) lost() error {
	var samples uint64
	for _, v := range stormVantages[:2] {
		for counter := uint64(1); counter <= o.acked(v); counter++ {
			samples += uint64(rowsOf(counter))
		}
	}
	events := o.acked("")
	o.Logf("%d samples and %d events were acknowledged before the power cut", samples, events)
	deadline := time.Now().Add(10 * time.Second)
	for {
		var problems []string
		for query, want := range map[string]uint64{
			// A message that was stored and whose acknowledgement did not arrive may be there too: one per publisher.
			"SELECT uniqExact(vantage, boot, counter, batch_row) FROM samples": samples,
			"SELECT uniqExact(id) FROM events":                                 events,
			"SELECT toUInt64(sum(samples)) FROM samples_1m":                    samples,
		} {
			if got, err := o.number(query); err != nil || got < want {
				problems = append(problems, fmt.Sprintf("%s: %d, %v, want at least %d", query, got, err, want))
			}
		}
		if twice, err := o.number("SELECT toUInt64(count() - uniqExact(vantage, boot, counter, batch_row)) FROM samples"); err != nil || twice != 0 {
			problems = append(problems, fmt.Sprintf("%d samples are there twice, %v", twice, err))
		}
		if len(problems) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s", strings.Join(problems, "; "))
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (o *outage) number(query string) (n uint64, err error) {
	err = o.db.QueryRow(o.Context(), query).Scan(&n)
	return n, err
}

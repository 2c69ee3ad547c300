package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/natsd"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/test/datapath"
	"github.com/leeward-failover/leeward/test/process"
)

// senders is how many batches each vantage has under way at once, as a prober has.
const senders = 8

// published is what a publisher did.
type published struct {
	// Begin and End are from just before the first publish to the last acknowledgement, in microseconds since 1970.
	Begin, End int64
	Rows       int
	Batches    []sent
	CPU        time.Duration `json:"-"`
}

// sent is when a batch was published, just before it was, in microseconds since 1970.
type sent struct {
	Vantage string
	Counter uint64
	At      int64
}

// publish is the child that publishes as all the probers do: a file as fast as the bus takes it, or for a while at the rate the load stands for.
func publish(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("publish", flag.ContinueOnError)
	url, keys, file := f.String("url", "", ""), f.String("keys", "", ""), f.String("file", "", "")
	paced, boot := f.Duration("paced", 0, ""), f.Uint64("boot", 0, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	probers := map[string]*bus.Bus{}
	for _, v := range datapath.Names() {
		b, err := bus.Connect(bus.Options{URL: *url, Seed: natsd.SeedFile(*keys, schemas.UserName(schemas.Prober, v)), Service: schemas.Prober, Vantage: v, Log: zerolog.New(os.Stderr)})
		if err != nil {
			return err
		}
		defer b.Close()
		if err := process.Until(ctx, v, b.Ready); err != nil {
			return err
		}
		probers[v] = b
	}
	var p published
	var err error
	if *paced > 0 {
		p, err = publishPaced(ctx, probers, *boot, *paced)
	} else {
		p, err = publishAll(ctx, probers, *file)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(p)
}

// publishAll publishes a file at full speed.
func publishAll(ctx context.Context, probers map[string]*bus.Bus, file string) (p published, err error) {
	load, err := datapath.Read(file)
	if err != nil {
		return p, err
	}
	queues := map[string]chan datapath.Message{}
	for v := range probers {
		queues[v] = make(chan datapath.Message, len(load.Messages))
	}
	for _, m := range load.Messages {
		queues[m.Vantage] <- m
		p.Rows += m.Rows
	}
	g, ctx := errgroup.WithContext(ctx)
	p.Begin = time.Now().UnixMicro()
	for v, b := range probers {
		close(queues[v])
		for range senders {
			g.Go(func() error {
				for m := range queues[v] {
					if err := b.PublishRaw(ctx, m.Subject, m.ID, m.Data); err != nil {
						return err
					}
				}
				return nil
			})
		}
	}
	err = g.Wait()
	p.End = time.Now().UnixMicro()
	return p, err
}

// beat is how often a prober sends.
const beat = 200 * time.Millisecond

// publishPaced has every vantage send what it measured, on a beat, each at a time of its own.
func publishPaced(ctx context.Context, probers map[string]*bus.Bus, boot uint64, length time.Duration) (p published, err error) {
	g, ctx := errgroup.WithContext(ctx)
	begin := time.Now().Add(100 * time.Millisecond)
	p.Begin = begin.UnixMicro()
	batches := make([][]sent, datapath.Vantages)
	rows := make([]int, datapath.Vantages)
	for i := range datapath.Vantages {
		g.Go(func() error {
			at := begin.Add(beat * time.Duration(i) / datapath.Vantages)
			v := datapath.New(i, at, boot)
			under, ctx := errgroup.WithContext(ctx)
			under.SetLimit(senders)
			for end := begin.Add(length); at.Before(end); {
				at = at.Add(beat)
				if err := process.Pause(ctx, time.Until(at)); err != nil {
					return err
				}
				b := v.Batch(beat)
				if b == nil {
					continue
				}
				m, err := datapath.Encode(b)
				if err != nil {
					return err
				}
				rows[i] += m.Rows
				batches[i] = append(batches[i], sent{m.Vantage, m.Counter, time.Now().UnixMicro()})
				under.Go(func() error { return probers[m.Vantage].PublishRaw(ctx, m.Subject, m.ID, m.Data) })
			}
			return under.Wait()
		})
	}
	err = g.Wait()
	p.End = time.Now().UnixMicro()
	for i := range batches {
		p.Batches, p.Rows = append(p.Batches, batches[i]...), p.Rows+rows[i]
	}
	return p, err
}

// publish runs the publisher over a load, which it reads from a file.
func (w *world) publish(ctx context.Context, load datapath.Load) (published, error) {
	file := filepath.Join(w.dir, "load")
	if err := load.Write(file); err != nil {
		return published{}, err
	}
	return w.runPublisher(ctx, "-file", file)
}

func (w *world) runPublisher(ctx context.Context, args ...string) (p published, err error) {
	out, cpu, err := w.run(ctx, os.Args[0], append([]string{"publish", "-url", w.busURL(), "-keys", filepath.Join(w.dir, "keys")}, args...)...)
	if err != nil {
		return p, err
	}
	p.CPU = cpu
	return p, json.Unmarshal(out, &p)
}

// run runs a program to its end and returns what it says and the processor time it took.
func (w *world) run(ctx context.Context, program string, args ...string) (out []byte, cpu time.Duration, err error) {
	cmd := exec.CommandContext(ctx, program, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		return nil, 0, fmt.Errorf("%s %s: %w: %s", filepath.Base(program), args[0], err, stderr.Bytes())
	}
	return stdout.Bytes(), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

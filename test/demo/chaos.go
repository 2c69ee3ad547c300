package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/leeward-failover/leeward/pkg/supervise"
	"github.com/leeward-failover/leeward/schemas"
)

// chaos kills processes with signal 9 at scripted points of the demo, each once; without --chaos it does nothing.
type chaos struct {
	demo   *demo
	killed []string
	err    error
}

func (c *chaos) kill(names ...string) {
	if !c.demo.Chaos {
		return
	}
	for _, name := range names {
		if err := c.killOne(name); err != nil {
			c.err = fmt.Errorf("kill %s: %w", name, err)
			return
		}
	}
}

func (c *chaos) killOne(name string) error {
	data, err := os.ReadFile(filepath.Join(c.demo.Leeward, "processes.json"))
	if err != nil {
		return err
	}
	var processes []supervise.State
	if err := json.Unmarshal(data, &processes); err != nil {
		return err
	}
	for _, p := range processes {
		if p.Name == name && p.Running {
			c.demo.say("  kill -9 %s (process %d)", name, p.PID)
			c.killed = append(c.killed, name)
			return syscall.Kill(p.PID, syscall.SIGKILL)
		}
	}
	return fmt.Errorf("it is not running")
}

// killDuringPlan kills a process, once, while a plan made since a moment is under way.
func (c *chaos) killDuringPlan(ctx context.Context, name string, since time.Time) {
	for _, k := range c.killed {
		if k == name {
			return
		}
	}
	if !c.demo.Chaos {
		return
	}
	c.err = until(ctx, 20*time.Second, "a plan under way", func(ctx context.Context) error {
		plans, err := c.demo.plans(ctx)
		if err != nil {
			return err
		}
		for _, p := range plans {
			if p.At.After(since) && p.State == schemas.PlanRunning && len(p.Journal) > 1 {
				return nil
			}
		}
		return fmt.Errorf("no plan is running")
	})
	if c.err == nil {
		c.kill(name)
	}
}

// check says whether everything was killed that should have been, came back, and did nothing twice.
func (c *chaos) check(ctx context.Context) error {
	c.demo.report.Killed = c.killed
	if !c.demo.Chaos || c.err != nil {
		return c.err
	}
	if want := 8; len(c.killed) != want {
		return fmt.Errorf("%d processes were killed, want %d: %v", len(c.killed), want, c.killed)
	}
	plans, err := c.demo.plans(ctx)
	if err != nil {
		return err
	}
	return once(plans)
}

// once says whether every plan shifted each share of traffic once, and no two plans share an epoch.
func once(plans []schemas.Plan) error {
	epochs := map[schemas.Epoch]string{}
	for _, p := range plans {
		if p.State == schemas.PlanRefused {
			continue
		}
		if other, ok := epochs[p.Epoch]; ok {
			return fmt.Errorf("plans %s and %s share epoch %d.%d", p.ID, other, p.Epoch.Term, p.Epoch.N)
		}
		epochs[p.Epoch] = p.ID
		steps := map[string]bool{}
		for _, s := range p.Journal {
			key := s.Name + " " + s.Target + " " + s.Detail
			if s.Name == "shift" && steps[key] {
				return fmt.Errorf("plan %s did step %q twice", p.ID, key)
			}
			steps[key] = true
		}
	}
	return nil
}

// Package world puts the demo world together: four regions and an entry on one machine, each with its own network
// namespace and registry, real delays between them, PostgreSQL, HAProxy, buildkitd, and a runtime per region that runs
// the app's containers.
package world

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/leeward-failover/leeward/pkg/supervise"
	"github.com/leeward-failover/leeward/test/world/baseimage"
	"github.com/leeward-failover/leeward/test/world/buildkit"
	"github.com/leeward-failover/leeward/test/world/haproxy"
	"github.com/leeward-failover/leeward/test/world/monitor"
	"github.com/leeward-failover/leeward/test/world/netns"
	"github.com/leeward-failover/leeward/test/world/postgres"
	"github.com/leeward-failover/leeward/test/world/registry"
	"github.com/leeward-failover/leeward/test/world/site"
	"github.com/leeward-failover/leeward/test/world/wan"
)

// Supervisor runs a world's processes. It is the first process of a process namespace and has a mount namespace of its
// own, so when it ends, however it ends, the kernel ends all its processes and undoes all their mounts.
type Supervisor struct {
	State State
	// Program is the world program itself.
	Program string
	// Buildkitd is the build daemon's program.
	Buildkitd string
	// Hook is the URL that the hub registry's notifications go to.
	Hook string
	// Deploy is the folder deploy/ of the checkout, whose rules Prometheus runs by.
	Deploy string
	// AlertSecret is the file with the bearer token that Alertmanager shows the gateway; it may come later.
	AlertSecret string
	// Bus says how the runtimes reach the bus.
	Bus Bus
	// Progress gets a line per step.
	Progress io.Writer
	Log      zerolog.Logger

	processes *supervise.Supervisor
}

// Bus says where Leeward's bus is and who the runtimes are there.
type Bus struct {
	URL  string
	NKey string
}

// Cgroup is the parent of all control groups of the world.
const Cgroup = "leeward-world"

// Scratch is a folder in memory, seen by the world's processes only.
const Scratch = recordFolder

// Run starts the world, calls ready, and stops the world when ctx ends.
func (s *Supervisor) Run(ctx context.Context, ready func()) error {
	if err := ownMounts(); err != nil {
		return err
	}
	s.processes = &supervise.Supervisor{Logs: s.State.Logs(), Log: s.Log, Changed: s.writeStatus}
	defer s.processes.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if err := s.step("network", func() (string, error) { return s.startWAN(ctx) }); err != nil {
		return err
	}
	var g errgroup.Group
	g.Go(func() error { return s.step("registries", func() (string, error) { return s.startRegistries(ctx) }) })
	g.Go(func() error { return s.step("postgresql", func() (string, error) { return s.startPostgres(ctx) }) })
	g.Go(func() error { return s.step("haproxy", func() (string, error) { return s.startHAProxy(ctx) }) })
	g.Go(func() error { return s.step("buildkitd", func() (string, error) { return s.startBuildkit(ctx) }) })
	g.Go(func() error { return s.step("monitoring", func() (string, error) { return s.startMonitoring(ctx) }) })
	g.Go(func() error { return s.step("runtimes", func() (string, error) { return s.startRuntimes(ctx) }) })
	if err := g.Wait(); err != nil {
		return err
	}
	if err := s.step("base images", func() (string, error) { return s.pushBaseImages(ctx) }); err != nil {
		return err
	}
	ready()
	<-ctx.Done()
	return nil
}

// step does one step and reports how long it took.
func (s *Supervisor) step(name string, do func() (string, error)) error {
	began := time.Now()
	what, err := do()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	fmt.Fprintf(s.Progress, "%-12s %6.2f s  %s\n", name, time.Since(began).Seconds(), what)
	return nil
}

func (s *Supervisor) startWAN(ctx context.Context) (string, error) {
	err := s.processes.Start(ctx, supervise.Process{
		Name: "wan",
		Argv: []string{s.Program, "wan", "--state", string(s.State)},
		Ready: func(ctx context.Context) error {
			_, err := wan.Send(ctx, s.State.WANSocket(), "rtt")
			return err
		},
	})
	return fmt.Sprintf("%d sites, %s in every namespace, commands at %s", len(site.All()), site.Device, s.State.WANSocket()), err
}

func (s *Supervisor) startRegistries(ctx context.Context) (string, error) {
	token, err := ReadSecret(s.State.HookToken())
	if err != nil {
		return "", err
	}
	var g errgroup.Group
	for _, at := range site.All() {
		c := registry.Config{Site: at, Folder: s.State.Registry(at.Name)}
		if at == site.Entry {
			c.Hook = &registry.Hook{URL: s.Hook, Bearer: token}
		}
		g.Go(func() error {
			p, err := registry.Prepare(c)
			if err != nil {
				return err
			}
			return s.processes.Start(ctx, p)
		})
	}
	return fmt.Sprintf("hub %s and one in each of %d regions", site.HubRegistry, len(site.Regions)), g.Wait()
}

// startPostgres starts the primary, fills it, and then starts the replicas, each a copy of it.
func (s *Supervisor) startPostgres(ctx context.Context) (string, error) {
	var passwords postgres.Passwords
	for file, password := range map[string]*string{s.State.ShopPassword(): &passwords.Shop, s.State.ProbePassword(): &passwords.Probe, s.State.ReplicaPassword(): &passwords.Replica} {
		secret, err := ReadSecret(file)
		if err != nil {
			return "", err
		}
		*password = secret
	}
	primary := site.Primary()
	from := s.State.Postgres(primary.Name)
	p, err := postgres.Primary(ctx, primary, from)
	if err != nil {
		return "", err
	}
	if err := s.processes.Start(ctx, p); err != nil {
		return "", err
	}
	var replicas []site.Site
	for _, region := range site.Regions {
		if region != primary {
			replicas = append(replicas, region)
		}
	}
	if err := postgres.Fill(ctx, from, passwords, replicas); err != nil {
		return "", err
	}
	var g errgroup.Group
	for _, region := range replicas {
		g.Go(func() error {
			p, err := postgres.Replica(ctx, region, s.State.Postgres(region.Name), primary, from, passwords.Replica)
			if err != nil {
				return err
			}
			return s.processes.Start(ctx, p)
		})
	}
	return fmt.Sprintf("primary %s and %d replicas, database shop", primary.Postgres(), len(replicas)), g.Wait()
}

func (s *Supervisor) startHAProxy(ctx context.Context) (string, error) {
	p, err := haproxy.Prepare(s.State.path("haproxy"))
	if err != nil {
		return "", err
	}
	return "http://" + site.HAProxy + ", traffic to " + haproxy.Active, s.processes.Start(ctx, p)
}

func (s *Supervisor) startBuildkit(ctx context.Context) (string, error) {
	p, err := buildkit.Prepare(buildkit.Config{
		Program: s.Buildkitd,
		Folder:  s.State.path("buildkit"),
		Socket:  s.State.BuildkitSocket(),
		Cgroup:  Cgroup + "/build",
	})
	if err != nil {
		return "", err
	}
	return s.State.BuildkitSocket(), s.processes.Start(ctx, p)
}

func (s *Supervisor) startMonitoring(ctx context.Context) (string, error) {
	c := monitor.Config{Folder: s.State.path("monitor"), Deploy: s.Deploy, Secret: s.AlertSecret}
	for _, prepare := range []func(monitor.Config) (supervise.Process, error){monitor.Prometheus, monitor.Alertmanager} {
		p, err := prepare(c)
		if err != nil {
			return "", err
		}
		if err := s.processes.Start(ctx, p); err != nil {
			return "", err
		}
	}
	return monitor.Where(), nil
}

// startRuntimes starts what runs the app's containers. They wait for the bus by themselves.
func (s *Supervisor) startRuntimes(ctx context.Context) (string, error) {
	for _, region := range site.Regions {
		argv := []string{s.Program, "runtime", "--state", string(s.State), "--region", region.Name, "--nats", s.Bus.URL, "--nkey", s.Bus.NKey}
		err := s.processes.Start(ctx, supervise.Process{
			Name:  "runtime-" + region.Name,
			Argv:  netns.Command(region.Namespace, argv...).Args,
			Ready: func(context.Context) error { return nil },
		})
		if err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("one in each of %d regions, waiting for the bus at %s", len(site.Regions), s.Bus.URL), nil
}

// pushBaseImages pushes what the hub does not hold yet: a registry tells everyone of a push, also of the same image.
func (s *Supervisor) pushBaseImages(ctx context.Context) (string, error) {
	cache, err := BaseImages()
	if err != nil {
		return "", err
	}
	images, err := baseimage.Build(ctx, cache, "")
	if err != nil {
		return "", err
	}
	var names []string
	for _, image := range images {
		held, err := baseimage.Holds(ctx, site.HubRegistry, image)
		if err != nil {
			return "", err
		}
		if !held {
			if _, err := baseimage.Push(ctx, site.HubRegistry, image); err != nil {
				return "", err
			}
		}
		names = append(names, image.Name)
	}
	return strings.Join(names, ", "), nil
}

func (s *Supervisor) writeStatus(states []supervise.State) {
	text, err := json.Marshal(states)
	if err == nil {
		err = errors.Join(os.WriteFile(s.State.Status()+".new", text, 0o600), os.Rename(s.State.Status()+".new", s.State.Status()))
	}
	if err != nil {
		s.Log.Warn().Err(err).Msg("status not written")
	}
}

// ownMounts keeps the mounts made from here on from the rest of the machine, and shows the process namespace in /proc.
func ownMounts() error {
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	// Containers and their file systems are known only in here, so nobody finds those of a world that was killed.
	if err := unix.Mount("scratch", Scratch, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=700"); err != nil {
		return fmt.Errorf("mount %s: %w", Scratch, err)
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/test/world"
	"github.com/leeward-failover/leeward/test/world/site"
)

func upCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "up", Short: "Start the world and stay until interrupted; what a killed one left behind is removed first", Args: cobra.NoArgs}
	state := stateFlag(cmd)
	detach := cmd.Flags().Bool("detach", false, "return once the world is up")
	bus := busFlags(cmd)
	alerts := alertFlags(cmd)
	hook := cmd.Flags().String("hook", "http://"+site.Gateway+"/hooks/registry/distribution", "where the hub registry's notifications go")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx, out := cmd.Context(), cmd.OutOrStdout()
		if err := needRoot(); err != nil {
			return err
		}
		folder, err := state()
		if err != nil {
			return err
		}
		if record, up := world.Up(); up && record.State == folder && *detach {
			fmt.Fprintln(out, "the world is up already")
			return nil
		} else if up {
			return fmt.Errorf("a world is up already, with its state in %s (world down)", record.State)
		}
		if err := world.Down(ctx); err != nil {
			return fmt.Errorf("clean up after an earlier world: %w", err)
		}
		program, err := os.Executable()
		if err != nil {
			return err
		}
		for _, path := range []*string{&bus.NKey, &alerts.deploy, &alerts.secret} {
			if *path, err = filepath.Abs(*path); err != nil {
				return err
			}
		}
		began := time.Now()
		argv := []string{program, "supervise", "--state", string(folder), "--nats", bus.URL, "--nkey", bus.NKey, "--hook", *hook, "--deploy", alerts.deploy, "--alert-secret", alerts.secret}
		supervisor, err := world.Launch(ctx, folder, *detach, out, argv...)
		if err != nil {
			return errors.Join(err, world.Down(context.WithoutCancel(ctx)))
		}
		fmt.Fprintf(out, "the world is up after %.1f s, its state is in %s\n", time.Since(began).Seconds(), folder)
		if *detach {
			return nil
		}
		defer context.AfterFunc(ctx, func() { _ = supervisor.Process.Signal(syscall.SIGTERM) })()
		err = supervisor.Wait()
		if ctx.Err() != nil {
			err = nil // it was told to end
		}
		return errors.Join(err, world.Down(context.WithoutCancel(ctx)))
	}
	return cmd
}

func superviseCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "supervise", Hidden: true, Args: cobra.NoArgs, Short: "Be the first process of the world's process namespace (up starts it)"}
	state := stateFlag(cmd)
	bus := busFlags(cmd)
	alerts := alertFlags(cmd)
	hook := cmd.Flags().String("hook", "http://"+site.Gateway+"/hooks/registry/distribution", "where the hub registry's notifications go")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		folder, err := state()
		if err != nil {
			return err
		}
		program, err := os.Executable()
		if err != nil {
			return err
		}
		progress := os.NewFile(3, "progress") // the pipe that up reads
		supervisor := world.Supervisor{
			State:       folder,
			Program:     program,
			Buildkitd:   filepath.Join(filepath.Dir(program), "buildkitd"),
			Hook:        *hook,
			Deploy:      alerts.deploy,
			AlertSecret: alerts.secret,
			Bus:         *bus,
			Progress:    progress,
			Log:         zerolog.New(os.Stderr).With().Timestamp().Logger(),
		}
		return supervisor.Run(cmd.Context(), func() {
			fmt.Fprintln(progress, world.Ready)
			_ = progress.Close()
		})
	}
	return cmd
}

func downCommand() *cobra.Command {
	return &cobra.Command{
		Use: "down", Short: "Stop the world and remove its processes, mounts, namespaces and containers; images and caches stay", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needRoot(); err != nil {
				return err
			}
			return world.Down(cmd.Context())
		},
	}
}

// busFlags adds --nats and --nkey to a command. The seed's default is where leeward up keeps it.
func busFlags(cmd *cobra.Command) *world.Bus {
	var bus world.Bus
	seed := ""
	if root, err := repository(); err == nil {
		seed = filepath.Join(root, ".state", "leeward", "keys", "runtime.nk")
	}
	cmd.Flags().StringVar(&bus.URL, "nats", "nats://"+site.NATS, "where the runtimes find Leeward's bus")
	cmd.Flags().StringVar(&bus.NKey, "nkey", seed, "file with the runtimes' NATS seed, waited for")
	return &bus
}

// alerts say what Prometheus and Alertmanager work with.
type alerts struct{ deploy, secret string }

// alertFlags adds --deploy and --alert-secret to a command. The secret's default is where leeward up keeps it.
func alertFlags(cmd *cobra.Command) *alerts {
	var a alerts
	root, err := repository()
	if err != nil {
		root = "."
	}
	cmd.Flags().StringVar(&a.deploy, "deploy", filepath.Join(root, "deploy"), "folder with the configuration of Prometheus and Alertmanager")
	cmd.Flags().StringVar(&a.secret, "alert-secret", filepath.Join(root, ".state", "leeward", "hook-alertmanager-secret"), "file with the token Alertmanager shows the gateway, read at every alert")
	return &a
}

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/cmd/leeward/internal/outline"
)

const initLong = `Writes a commented leeward.yaml that is valid as it is, and never over one that is there.
On a terminal it asks for what the flags do not say; elsewhere, and with --yes, what is not said takes the default that --help shows.

A region is name=NAME,registry=URL and, for a place that is not known by that name, latitude=…,longitude=…,jurisdiction=….`

func initCommand() *cobra.Command {
	var regions []string
	var o outline.Outline
	file, yes := "", false
	cmd := &cobra.Command{
		Use: "init", Short: "Write a leeward.yaml to start from", Long: initLong, Args: cobra.NoArgs,
		Example: "  leeward init --region name=frankfurt,registry=https://fra.example.com --region name=london,registry=https://lon.example.com \\\n" +
			"    --app shop --endpoint 'https://{region}.shop.example.com/healthz' --entry https://shop.example.com/healthz",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := os.Lstat(file); err == nil {
				return fmt.Errorf("%s is there already, and is not written over: name another with --file, or remove it", file)
			}
			for _, text := range regions {
				r, err := outline.ParseRegion(text)
				if err != nil {
					return fmt.Errorf("--region %s: %w", text, err)
				}
				o.Regions = append(o.Regions, r)
			}
			if in, ok := cmd.InOrStdin().(*os.File); ok && isatty.IsTerminal(in.Fd()) && !yes {
				if err := interview(cmd, &o); err != nil {
					return err
				}
			}
			data, err := o.Write(file)
			if err != nil {
				return err
			}
			if err := create(file, data); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is written. Read it through, then:\n\n  leeward config validate %s\n  leeward up --file %s\n", file, file, file)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVarP(&file, "file", "f", "leeward.yaml", "the file to write")
	f.StringArrayVar(&regions, "region", nil, "a region, as name=frankfurt,registry=https://…; two or more (default frankfurt and london)")
	f.StringVar(&o.App, "app", "", "name of the app (default app)")
	f.StringSliceVar(&o.Variants, "variant", nil, "a variant of the app: a stage of its Dockerfile (default main)")
	f.StringVar(&o.Endpoint, "endpoint", "", "where the app answers, with {region} and {variant} in their places (default https://{region}.APP.example.com/healthz)")
	f.StringVar(&o.Entry, "entry", "", "where users' requests come in, to verify a move (default https://APP.example.com/healthz)")
	f.StringVar(&o.Mode, "mode", "", "observe or auto (default observe)")
	f.StringVar(&o.Database, "database", "", "reference to the database's URL, env:NAME or file:PATH")
	f.StringVar(&o.Git, "git", "", "build from this repository's branch, as https://github.com/acme/shop.git#main")
	f.StringVar(&o.Watch, "watch", "", "build when this image is pushed, as https://registry.example.com/base/node:20")
	f.StringVar(&o.Context, "context", "", "folder that is built (default . )")
	f.StringVar(&o.HAProxy, "haproxy", "", "HAProxy's stats socket, an absolute path; its backend has the app's name and its servers are REGION-VARIANT")
	f.BoolVarP(&yes, "yes", "y", false, "ask nothing")
	return cmd
}

// interview asks for what the flags left open, each with the default that an empty line takes.
func interview(cmd *cobra.Command, o *outline.Outline) error {
	lines := bufio.NewScanner(cmd.InOrStdin())
	for {
		q, more := o.Question()
		if !more {
			return nil
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "%s [%s]: ", q.Text, q.Default)
		if !lines.Scan() {
			return errors.Join(errors.New("nothing was written: the answers ended"), lines.Err())
		}
		answer := strings.TrimSpace(lines.Text())
		if answer == "" {
			answer = q.Default
		}
		if err := q.Answer(answer); err != nil {
			fmt.Fprintln(cmd.ErrOrStderr(), err)
		}
	}
}

// create writes a file that is not there.
func create(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, strings.NewReader(string(data)))
	return errors.Join(err, f.Close())
}

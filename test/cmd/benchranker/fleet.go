package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
)

// Every app has regions x variants candidates, and each vantage measures them all: 400 cells an app.
const (
	regions  = 10
	variants = 4
	vantages = 10
	perApp   = regions * variants * vantages
)

// beat is how often a cell is measured.
const beat = 10 * time.Second

// window is how far back samples count.
const window = time.Hour

func appName(i int) string     { return fmt.Sprintf("app-%04d", i) }
func regionName(i int) string  { return fmt.Sprintf("region-%d", i) }
func variantName(i int) string { return fmt.Sprintf("variant-%d", i) }
func vantageName(i int) string { return fmt.Sprintf("vantage-%d", i) }

// names are what a function names from 0 up to n.
func names(n int, name func(int) string) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = name(i)
	}
	return all
}

// fleet is the topology of so many apps. Regions are 360 km apart on a line.
func fleet(apps int) schemas.Topology {
	t := schemas.Topology{Version: 1}
	for i := range regions {
		t.Regions = append(t.Regions, schemas.Region{
			Name: regionName(i), Location: schemas.Location{Latitude: 50, Longitude: 5 * float64(i)}, Jurisdiction: "EU", Registry: "http://registry." + regionName(i),
		})
	}
	for i := range vantages {
		t.Vantages = append(t.Vantages, schemas.Vantage{Name: vantageName(i), Region: regionName(i % regions)})
	}
	for i := range apps {
		t.Apps = append(t.Apps, app(appName(i)))
	}
	return t
}

// app is one that every gate looks at but for those that need a database, a load or round trips of another kind.
// Its verdicts are written once and have to outlive the run, so that its interval is said to be an hour; nothing else that is measured asks for it.
func app(name string) schemas.App {
	a := schemas.App{
		Name: name, Mode: "auto", Source: schemas.Source{Context: name},
		Probe:     schemas.Probe{Interval: schemas.Duration(time.Hour), Timeout: schemas.Duration(800 * time.Millisecond), DownAfter: 3, UpAfter: 3},
		Objective: schemas.Objective{Kind: schemas.KindHTTP.String(), Quantile: 0.95, Window: schemas.Duration(window)},
		Gates:     schemas.Gates{MinDistanceKM: 300, Jurisdictions: []string{"EU"}, MinSamples: 1000, MaxAge: schemas.Duration(time.Minute)},
		Failover:  schemas.Failover{Quorum: 0.5, MinVantages: 3, MaxRankingAge: schemas.Duration(15 * time.Minute)},
	}
	for v := range variants {
		a.Variants = append(a.Variants, schemas.Variant{Name: variantName(v)})
		for r := range regions {
			a.Endpoints = append(a.Endpoints, schemas.Endpoint{Region: regionName(r), Variant: variantName(v), HTTP: "http://" + variantName(v) + "." + regionName(r)})
		}
	}
	return a
}

// writers is how many values are written to the bus at a time.
const writers = 64

// fill writes what a healthy world has in the buckets: the topology, vantages that see, verdicts that all is up, images that are where they should be.
func (w *world) fill(ctx context.Context, t schemas.Topology) error {
	gateway, err := w.connect(schemas.Gateway, "")
	if err != nil {
		return err
	}
	defer gateway.Close()
	builder, err := w.connect(schemas.Builder, "")
	if err != nil {
		return err
	}
	defer builder.Close()
	now := time.Now()
	g, each := errgroup.WithContext(ctx)
	g.SetLimit(writers)
	for _, v := range t.Vantages {
		prober, err := w.connect(schemas.Prober, v.Name)
		if err != nil {
			return err
		}
		defer prober.Close()
		put(each, g, prober, schemas.VantageBucket, schemas.Presence{Vantage: v.Name, Region: v.Region, Sighted: true, At: now, Topology: t.Hash()})
		for _, a := range t.Apps {
			for _, r := range t.Regions {
				put(each, g, prober, schemas.VerdictBucket, verdict(v.Name, a, r.Name, now))
			}
		}
	}
	for _, a := range t.Apps {
		for _, c := range a.Candidates(t) {
			put(each, g, builder, schemas.ImageBucket, schemas.ImageState{App: a.Name, Variant: c.Variant, Region: c.Region, Parity: "verified", Since: now,
				Digest: "sha256:" + strings.Repeat("ab", 32), Reference: c.Region + "/" + a.Name + "@sha256:" + strings.Repeat("ab", 32)})
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, part := range t.Parts("bench", now) {
		if _, err := bus.Put(ctx, gateway, schemas.TopologyBucket, part, bus.Condition{}); err != nil {
			return err
		}
	}
	return nil
}

func put[V schemas.Value](ctx context.Context, g *errgroup.Group, b *bus.Bus, bucket schemas.Bucket[V], value V) {
	g.Go(func() error {
		_, err := bus.Put(ctx, b, bucket, value, bus.Condition{})
		return err
	})
}

func verdict(vantage string, a schemas.App, region string, now time.Time) schemas.Verdict {
	v := schemas.Verdict{Vantage: vantage, App: a.Name, Region: region, Health: schemas.Up, Since: now, At: now, Round: 1, LatencyUS: 40_000}
	for _, one := range a.Variants {
		v.Variants = append(v.Variants, schemas.VariantHealth{Variant: one.Name, OK: true, LatencyUS: 40_000})
	}
	return v
}

package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// Image is one variant as measured on this machine.
type Image struct {
	Variant string `json:"variant"`
	// SizeBytes is what a registry sends: the layers, compressed.
	SizeBytes uint64 `json:"size_bytes"`
	Layers    int    `json:"layers"`
	// PullSeconds is fetching and unpacking the image from its region's registry, where nothing of it was before; StartSeconds is from the
	// container's start to its first 200. Both are medians.
	PullSeconds  float64 `json:"pull_seconds"`
	StartSeconds float64 `json:"start_seconds"`
	// RequestMS is the median of what the probers measured from within each region: a request for /healthz on a connection of its own.
	RequestMS float64 `json:"request_ms"`
}

// images measures every variant as it was last built, and adds what ClickHouse knows of it.
func (d *demo) images(ctx context.Context) error {
	region := d.app.Start.Region
	var states []schemas.ImageState
	if err := d.client.get(ctx, "/v1/apps/"+appName+"/images", &states); err != nil {
		return err
	}
	args := []string{"measure", region}
	for _, s := range states {
		if s.Region == region {
			args = append(args, s.Variant+"="+s.Reference)
		}
	}
	out, err := d.world(ctx, args...)
	if err != nil {
		return err
	}
	var images []Image
	if err := json.Unmarshal([]byte(out), &images); err != nil {
		return fmt.Errorf("world measure: %w", err)
	}
	requests, err := d.requests(ctx)
	if err != nil {
		return err
	}
	byVariant := map[string]Image{}
	for _, i := range images {
		i.SizeBytes, i.Layers, i.RequestMS = d.built[i.Variant].SizeBytes, len(d.built[i.Variant].Layers), requests[i.Variant]
		if i.SizeBytes == 0 || i.PullSeconds <= 0 || i.StartSeconds <= 0 || i.RequestMS <= 0 {
			return fmt.Errorf("the figures of a variant make no sense: %+v", i)
		}
		byVariant[i.Variant] = i
	}
	for _, v := range d.app.Variants {
		i, ok := byVariant[v.Name]
		if !ok {
			return fmt.Errorf("variant %s was not measured", v.Name)
		}
		d.report.Images = append(d.report.Images, i)
	}
	return nil
}

// requests asks ClickHouse how long requests take that stay within a region, by variant, in milliseconds.
func (d *demo) requests(ctx context.Context) (map[string]float64, error) {
	db, err := d.clickhouse()
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	rows, err := db.Query(ctx, `SELECT variant, round(quantileExact(0.5)(latency_us) / 1000, 2) FROM samples
		WHERE app = ? AND kind = 'http' AND outcome = 'ok' AND vantage = region AND due > now() - INTERVAL 5 MINUTE GROUP BY variant`, appName)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	found := map[string]float64{}
	for rows.Next() {
		var variant string
		var ms float64
		if err := rows.Scan(&variant, &ms); err != nil {
			return nil, err
		}
		found[variant] = ms
	}
	return found, rows.Err()
}

// Table prints the variants' figures for people.
func (r Report) Table(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "variant\tsize\tlayers\tpull\tfirst 200\trequest\t")
	for _, i := range r.Images {
		fmt.Fprintf(table, "%s\t%.1f MB\t%d\t%.2f s\t%.2f s\t%.2f ms\t\n", i.Variant, float64(i.SizeBytes)/1e6, i.Layers, i.PullSeconds, i.StartSeconds, i.RequestMS)
	}
	_ = table.Flush()
}

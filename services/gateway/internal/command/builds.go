package command

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/schemas"
)

func buildsCommand() *cobra.Command {
	c := &client{}
	cmd := &cobra.Command{
		Use: "builds [APP]", Short: "Show the newest build of each variant, and where its image is", Args: cobra.MaximumNArgs(1),
		Long: "Shows the newest build of each variant, newest first: how it ended, how long it and its stages took, how large the image is, and which regions hold it.\n" +
			"Earlier builds are in ClickHouse: leeward sql \"SELECT * FROM builds\".",
		RunE: func(cmd *cobra.Command, args []string) error { return c.builds(cmd.Context(), cmd.OutOrStdout(), args) },
	}
	c.flags(cmd)
	return cmd
}

// variantBuild is what the API answers for a variant.
type variantBuild struct {
	App     string                `json:"app"`
	Variant string                `json:"variant"`
	Last    schemas.BuildFinished `json:"last"`
	Wanted  string                `json:"wanted,omitempty"`
	Regions []schemas.ImageState  `json:"regions"`
}

func (c *client) builds(ctx context.Context, w io.Writer, apps []string) error {
	if len(apps) == 0 {
		var all []struct {
			Name string `json:"name"`
		}
		if _, err := c.call(ctx, http.MethodGet, "/v1/apps", nil, nil, &all); err != nil {
			return err
		}
		for _, a := range all {
			apps = append(apps, a.Name)
		}
	}
	builds := []variantBuild{}
	for _, app := range apps {
		var some []variantBuild
		if _, err := c.call(ctx, http.MethodGet, "/v1/apps/"+url.PathEscape(app)+"/builds", nil, nil, &some); err != nil {
			return err
		}
		builds = append(builds, some...)
	}
	if c.output == "json" {
		return printJSON(w, builds)
	}
	if len(builds) == 0 {
		fmt.Fprintln(w, "nothing has been built yet: a push to what an app watches, or is built from, starts a build")
		return nil
	}
	t := newTable(w, table.Row{"ended", "app", "variant", "outcome", "of", "seconds", "MB", "stages, slowest first", "regions"})
	for _, b := range builds {
		t.AppendRow(table.Row{b.Last.At.UTC().Format(time.RFC3339), b.App, b.Variant, b.Last.Outcome, shortened(b.Last.Trigger), fmt.Sprintf("%.1f", b.Last.Seconds),
			megabytes(b.Last.SizeBytes), stages(b.Last), places(b)})
	}
	t.Render()
	return nil
}

// shortened is the beginning of a digest or a commit.
func shortened(hash string) string {
	hash = strings.TrimPrefix(hash, "sha256:")
	return hash[:min(12, len(hash))]
}

func megabytes(bytes uint64) string {
	if bytes == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f", float64(bytes)/1e6)
}

// stages is where the time went, or why there is no image.
func stages(b schemas.BuildFinished) string {
	if b.Error != "" {
		line, _, _ := strings.Cut(b.Error, "\n")
		return printable(line)
	}
	sorted := slices.Clone(b.Stages)
	slices.SortStableFunc(sorted, func(a, b schemas.BuildStage) int { return cmp.Compare(b.Seconds, a.Seconds) })
	var lines []string
	for _, s := range sorted {
		line := fmt.Sprintf("%s %.1f s", printable(s.Name), s.Seconds)
		if s.CachedSteps > 0 {
			line += fmt.Sprintf(" (%d of %d from cache)", s.CachedSteps, s.Steps)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// places is how far the newest image has come in each region; one that holds an earlier image still serves that.
func places(b variantBuild) string {
	var lines []string
	for _, r := range b.Regions {
		line := r.Region + " " + r.Parity
		if r.Digest != b.Wanted {
			line += ", an earlier image"
		}
		if r.Error != "" {
			line += ": " + printable(r.Error)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// printable keeps a terminal's commands out of what others wrote.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '\uFFFD'
		}
		return r
	}, s)
}

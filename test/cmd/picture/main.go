// Command picture takes a region away from the demo world, which `make up` starts, and photographs the console once traffic has moved: the picture of the README.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/leeward-failover/leeward/schemas"
)

func main() {
	api := flag.String("api", "http://127.0.0.1:8080", "address of the API")
	app := flag.String("app", "shop", "app to watch")
	out := flag.String("out", "docs/pictures/console-failover.png", "file to write")
	scheme := flag.String("scheme", "light", "light or dark")
	limit := flag.Duration("limit", 8*time.Minute, "give up after this long")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	if err := (camera{*api, *app, *out, *scheme}).run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

type camera struct{ api, app, out, scheme string }

func (c camera) run(ctx context.Context) error {
	var route schemas.Route
	if err := until(ctx, "a candidate to move to", func() error { return c.ready(ctx, &route) }); err != nil {
		return err
	}
	taken, closed, err := c.look(ctx)
	if err != nil {
		return fmt.Errorf("browser: %w", err)
	}
	defer closed()
	fmt.Fprintln(os.Stderr, "picture: cutting", route.Active.Region)
	if err := world(ctx, "cut", route.Active.Region); err != nil {
		return err
	}
	defer func() { _ = world(context.WithoutCancel(ctx), "heal", route.Active.Region) }()
	cut := time.Now()
	if err := until(ctx, "traffic to move", func() error { return c.moved(ctx, cut) }); err != nil {
		return err
	}
	png, err := taken(route.Active.Region)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "picture: %s, %d kB\n", c.out, len(png)/1000)
	return os.WriteFile(c.out, png, 0o644)
}

// look opens the console before anything happens, so that what is photographed has come in live. taken waits for the page to say that a region is down.
func (c camera) look(ctx context.Context) (taken func(region string) ([]byte, error), closed func(), err error) {
	allocator, stop := chromedp.NewExecAllocator(ctx, chromedp.ExecPath("/usr/bin/chromium"), chromedp.NoSandbox, chromedp.Headless, chromedp.DisableGPU, chromedp.Flag("hide-scrollbars", true))
	tab, closeTab := chromedp.NewContext(allocator)
	closed = func() { closeTab(); stop() }
	if err := chromedp.Do(tab, chromedp.EmulateViewport(1280, 760), chromedp.Navigate(c.api+"/?app="+url.QueryEscape(c.app))); err != nil {
		closed()
		return nil, nil, err
	}
	_, err = chromedp.Call(tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: c.scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	if err != nil {
		closed()
		return nil, nil, err
	}
	return func(region string) ([]byte, error) {
		down := fmt.Sprintf(`!!document.querySelector(".node.down") && !document.querySelector(".lead").innerText.includes(%q)`, region)
		err := until(tab, "the page to show it", func() error {
			shown, err := chromedp.Run(tab, chromedp.Evaluate[bool](down))
			if err == nil && !shown {
				err = errors.New("it does not yet")
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		shot, err := chromedp.Call(tab, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatPng, OptimizeForSpeed: new(false)})
		return shot.Data, err
	}, closed, nil
}

// ready says whether every region is seen up and the ranking has somewhere to go from where traffic is.
func (c camera) ready(ctx context.Context, route *schemas.Route) error {
	if err := c.get(ctx, "/v1/apps/"+c.app+"/route", route); err != nil {
		return err
	}
	var r schemas.Ranking
	if err := c.get(ctx, "/v1/apps/"+c.app+"/ranking?active="+route.Active.Region, &r); err != nil {
		return err
	}
	for _, k := range r.Orders[0].Candidates {
		if k.Eligible && k.Region != route.Active.Region {
			return nil
		}
	}
	return errors.New("nothing outside " + route.Active.Region + " is eligible yet")
}

// moved says whether a failover since a moment has ended well.
func (c camera) moved(ctx context.Context, since time.Time) error {
	var plans []schemas.Plan
	if err := c.get(ctx, "/v1/failovers?app="+c.app, &plans); err != nil {
		return err
	}
	for _, p := range plans {
		if p.At.After(since) && p.State == schemas.PlanFinished {
			return nil
		}
	}
	return errors.New("no failover has finished yet")
}

func (c camera) get(ctx context.Context, path string, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.api+path, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

// until tries until it works or ctx ends, and then says what was missing last.
func until(ctx context.Context, what string, try func() error) error {
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited in vain for %s: %w", what, err)
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// world runs a command of the world's own tool, which lies beside this one.
func world(ctx context.Context, args ...string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, filepath.Join(filepath.Dir(program), "world"), args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("world %v: %w: %s", args, err, out)
	}
	return nil
}

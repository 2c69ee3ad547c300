// Package console_test looks at the console as people do: through a real browser, at a real gateway on a real bus whose buckets are written as their owners would.
package console_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway"
)

// pictures is a folder that the screens are photographed into, for people who change their looks.
var pictures = flag.String("pictures", "", "folder to write pictures of the screens to")

// patience is how long a page may take to show what it should.
const patience = 30 * time.Second

// chromium starts the browser of all tests, one process with a tab each; closing ends it.
var (
	chromium = sync.OnceValues(startChromium)
	closing  = func() {}
)

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	closing()
	os.Exit(code)
}

// errMissing says that there is no browser on this machine.
var errMissing = errors.New("chromium was not found: tools/install.sh installs it")

func startChromium() (context.Context, error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, errMissing
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.Headless, chromedp.DisableGPU,
		chromedp.Flag("hide-scrollbars", true), chromedp.Flag("disable-background-timer-throttling", true), chromedp.Flag("disable-renderer-backgrounding", true))
	ctx, cancel := chromedp.NewContext(allocator)
	closing = func() { _ = chromedp.Cancel(ctx); cancel(); stop() }
	return ctx, chromedp.Do(ctx, chromedp.Navigate("about:blank"))
}

// missing skips the test on a laptop and fails it in CI.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// tab is a page of the browser.
type tab struct {
	t   *testing.T
	ctx context.Context
	url string

	mu       sync.Mutex
	problems []string
}

// open opens a tab of its own, whose cookies nobody else has, and keeps what the console of the browser says.
func open(t *testing.T, url string) *tab {
	t.Helper()
	browser, err := chromium()
	if errors.Is(err, errMissing) {
		missing(t, err.Error())
	}
	if err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	ctx, closeTab := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(closeTab)
	p := &tab{t: t, ctx: ctx, url: url}
	// The first run of a tab's context begins it, and its end would end it: it must have no deadline of its own.
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	err = chromedp.Listen(ctx, func(ev any) {
		switch e := ev.(type) {
		case *log.EventEntryAdded:
			if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
				p.note(fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
			}
		case *runtime.EventExceptionThrown:
			p.note("exception: " + e.ExceptionDetails.Text)
		case *runtime.EventConsoleAPICalled:
			p.note(fmt.Sprintf("console.%s", e.Type))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *tab) note(problem string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = append(p.problems, problem)
}

// quiet fails the test when the browser's console said anything, a violation of the content security policy among others.
func (p *tab) quiet() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, problem := range p.problems {
		p.t.Errorf("the browser says: %s", problem)
	}
	p.problems = nil
}

func (p *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
}

// load goes to a path of the console.
func (p *tab) load(path string) {
	p.t.Helper()
	p.do(chromedp.Navigate(p.url + path))
}

// looks sets the width of the screen and the scheme of colours.
func (p *tab) looks(width int64, scheme string) {
	p.t.Helper()
	p.do(chromedp.EmulateViewport(width, 900))
	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	if err != nil {
		p.t.Fatal(err)
	}
}

// eval runs an expression in the page. A page that is just being left has no answer.
func eval[T any](p *tab, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(p.ctx, time.Minute)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

func must[T any](p *tab, expression string) T {
	p.t.Helper()
	v, err := eval[T](p, expression)
	if err != nil {
		p.t.Fatalf("%.80s: %v", expression, err)
	}
	return v
}

// await asks the page until an expression is true.
func (p *tab) await(what, expression string) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		ok, err := eval[bool](p, expression)
		if ok {
			return
		}
		if time.Now().After(deadline) {
			text, _ := eval[string](p, "document.body.innerText")
			p.t.Fatalf("waited in vain for %s (%v):\n%s", what, err, text)
		}
	}
}

// says waits until the page shows a text.
func (p *tab) says(text string) {
	p.t.Helper()
	p.await(fmt.Sprintf("%q", text), fmt.Sprintf("document.body.innerText.includes(%q)", text))
}

// keys presses keys, one rune each.
func (p *tab) keys(keys string) {
	p.t.Helper()
	p.do(chromedp.KeyEvent(keys))
}

// picture photographs the page when someone asked for pictures.
func (p *tab) picture(name string) {
	p.t.Helper()
	if *pictures == "" {
		return
	}
	png, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*pictures, name+".png"), png, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// violation is a rule that axe found broken.
type violation struct {
	ID, Help string
	Nodes    []struct{ HTML, FailureSummary string }
}

// axe runs axe-core in the page with every rule it has.
func (p *tab) axe(source, where string) {
	p.t.Helper()
	p.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Run(ctx, chromedp.Evaluate[chromedp.Void](source))
		return err
	}))
	for _, v := range must[[]violation](p, `axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations.map(v => ({ID: v.id, Help: v.help, Nodes: v.nodes.map(n => ({HTML: n.html, FailureSummary: n.failureSummary}))})))`) {
		for _, n := range v.Nodes {
			p.t.Errorf("%s: axe %s: %s\n%.300s\n%s", where, v.ID, v.Help, n.HTML, n.FailureSummary)
		}
	}
}

// axeSource is axe-core, as tools/install.sh installed it from npm.
func axeSource(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../../tools/axe/node_modules/axe-core/axe.min.js")
	if err != nil {
		missing(t, "axe-core was not found: tools/install.sh installs it")
	}
	return string(data)
}

// gate is a running gateway that can be stopped and started again at its address.
type gate struct {
	t    *testing.T
	bus  *bustest.Server
	addr string
	over map[string]string
	stop func()
}

const token = "t0ken"

func startGate(t *testing.T, s *bustest.Server, over map[string]string) *gate {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{t: t, bus: s, addr: free.Addr().String(), over: over}
	_ = free.Close()
	g.start()
	t.Cleanup(func() { g.stop() })
	return g
}

func (g *gate) url() string { return "http://" + g.addr }

func (g *gate) start() {
	g.t.Helper()
	env := map[string]string{
		"LEEWARD_NATS_URL": g.bus.URL(), "LEEWARD_NATS_SEED": g.bus.Seed(schemas.Gateway, ""), "LEEWARD_HEALTH_ADDR": "127.0.0.1:0", "LEEWARD_RECONCILE_INTERVAL": "1h",
		"LEEWARD_API_ADDR": g.addr, "LEEWARD_API_TOKEN": "env:API_TOKEN", "API_TOKEN": token,
	}
	maps.Copy(env, g.over)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := gateway.Run(ctx, daemon.NewProcess("gateway", nil, func(name string) string { return env[name] }, io.Discard, io.Discard))
		if ctx.Err() == nil {
			g.t.Errorf("the gateway ended: %v", err)
		}
	}()
	g.stop = sync.OnceFunc(func() { cancel(); <-done })
	for deadline := time.Now().Add(patience); g.get("/readyz") != http.StatusOK; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			g.t.Fatal("the gateway did not become ready")
		}
	}
}

func (g *gate) get(path string) int {
	resp, err := http.Get(g.url() + path)
	if err != nil {
		return 0
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// apply applies a topology through the API.
func (g *gate) apply(yaml []byte) {
	g.t.Helper()
	req, err := http.NewRequest(http.MethodPut, g.url()+"/v1/topology", bytes.NewReader(yaml))
	if err != nil {
		g.t.Fatal(err)
	}
	for k, v := range map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/yaml", "If-Match": "*"} {
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		g.t.Fatalf("apply = %d %s", resp.StatusCode, strings.TrimSpace(string(body)))
	}
}

package world_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/moby/buildkit/client"
	"github.com/rs/zerolog"
	"github.com/tonistiigi/fsutil"
	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/natsd"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/test/world"
	"github.com/leeward-failover/leeward/test/world/site"
)

// TestShopRunsInEveryRegion is the world's whole job with the test in Leeward's place: it builds the shop, copies it to
// every region's registry, tells the runtimes over the bus and asks through HAProxy.
func TestShopRunsInEveryRegion(t *testing.T) {
	p := build(t)
	pushes := newHook(t)
	p.up(t, "--hook", pushes.server.URL)
	pushes.want(t, "base/debian", "base/node", "base/node")
	builder := p.startBus(t)
	images := map[string]schemas.ImageState{}
	for _, variant := range []string{"single", "slim"} {
		digest := p.buildShop(t, variant)
		pushes.want(t, "shop/"+variant)
		for _, image := range replicate(t, variant, digest, site.Regions...) {
			images[image.Region+"/"+variant] = image
			put(t, builder, image)
		}
	}
	instances := map[string]string{}
	for _, region := range site.Regions {
		for variant := range site.Ports {
			instances[region.Name+"/"+variant] = answered(t, region, variant, "")
		}
	}

	t.Run("entry sends to the active server", func(t *testing.T) {
		if got, want := get(t, "http://"+site.HAProxy+"/api/products"), instances["frankfurt/slim"]; got != want {
			t.Errorf("products answered by %s, want %s", got, want)
		}
		resp, err := http.Post("http://"+site.HAProxy+"/api/orders", "application/json", strings.NewReader(`{"product_id":1,"quantity":2}`))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusCreated {
			t.Errorf("order: %s, want 201", resp.Status)
		}
	})
	t.Run("container has no privileges", func(t *testing.T) {
		for _, id := range []string{"frankfurt-shop-slim", "tokyo-shop-single"} {
			status := containerStatus(t, id)
			for _, want := range []string{"Uid:\t1000\t1000\t1000\t1000", "CapEff:\t0000000000000000", "NoNewPrivs:\t1"} {
				if !strings.Contains(status, want) {
					t.Errorf("container %s has no %q in its status:\n%s", id, want, status)
				}
			}
		}
	})
	t.Run("killed container is started again", func(t *testing.T) {
		p.run(t, "kill-app", "london", "slim")
		answered(t, site.Regions[1], "slim", instances["london/slim"])
	})
	t.Run("new digest replaces the container", func(t *testing.T) {
		put(t, builder, replicate(t, "slim", push(t, "slim"), site.Regions[0])[0])
		answered(t, site.Regions[0], "slim", instances["frankfurt/slim"])
	})
	t.Run("image of another registry is left alone", func(t *testing.T) {
		image := images["dallas/slim"]
		image.Digest = images["dallas/single"].Digest
		image.Reference = site.HubRegistry + "/shop/single@" + image.Digest
		put(t, builder, image)
		// Another variant's change, seen after it, shows that it was read.
		put(t, builder, replicate(t, "single", push(t, "single"), site.Regions[2])[0])
		answered(t, site.Regions[2], "single", instances["dallas/single"])
		if got := get(t, "http://"+site.Regions[2].App("slim")+"/healthz"); got != instances["dallas/slim"] {
			t.Errorf("the container was replaced by one from another registry: %s", got)
		}
	})
	t.Run("cut region does not answer until it is healed", func(t *testing.T) {
		p.run(t, "cut", "frankfurt")
		client := http.Client{Timeout: 500 * time.Millisecond}
		var timeout net.Error
		if _, err := client.Get("http://" + site.Regions[0].App("single") + "/healthz"); !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("a cut region: %v, want a time-out", err)
		}
		p.run(t, "heal", "frankfurt")
		answered(t, site.Regions[0], "single", "")
	})
}

// containerStatus is the kernel's word on the first process of a container.
func containerStatus(t *testing.T, id string) string {
	t.Helper()
	pids := world.Containers()[id]
	if len(pids) == 0 {
		t.Fatalf("container %s has no processes", id)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pids[0]))
	if err != nil {
		t.Fatal(err)
	}
	return string(status)
}

// hook takes the place of the gateway: it hears of pushes.
type hook struct {
	server *httptest.Server

	mu     sync.Mutex
	pushes []string
	bearer string
}

func newHook(t *testing.T) *hook {
	h := &hook{}
	h.server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body struct {
			Events []struct {
				Action string
				Target struct{ Repository, Tag string }
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.bearer = r.Header.Get("Authorization")
		for _, event := range body.Events {
			h.pushes = append(h.pushes, event.Target.Repository)
			if event.Action != "push" || event.Target.Tag == "" {
				t.Errorf("notified of %+v, want pushes of tags only", event)
			}
		}
	}))
	t.Cleanup(h.server.Close)
	return h
}

// want waits for pushes to these repositories and no others, and forgets them.
func (h *hook) want(t *testing.T, repositories ...string) {
	t.Helper()
	eventually(t, 10*time.Second, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		if len(h.pushes) < len(repositories) {
			return fmt.Errorf("notified of pushes to %v, want %v", h.pushes, repositories)
		}
		return nil
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	if strings.Join(h.pushes, " ") != strings.Join(repositories, " ") || !strings.HasPrefix(h.bearer, "Bearer ") {
		t.Fatalf("notified of pushes to %v with authorization %.10q, want %v with a bearer", h.pushes, h.bearer, repositories)
	}
	h.pushes = nil
}

// startBus starts a bus where the runtimes look for it and connects to it as the builder.
func (p program) startBus(t *testing.T) *bus.Bus {
	t.Helper()
	folder := t.TempDir()
	keys := filepath.Dir(p.seed())
	server, err := natsd.Start(natsd.Options{Addr: site.NATS, Store: folder, Keys: keys, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Shutdown(); server.WaitForShutdown() })
	connect := func(service schemas.Service) *bus.Bus {
		b, err := bus.Connect(bus.Options{URL: "nats://" + site.NATS, Seed: natsd.SeedFile(keys, string(service)), Service: service, Log: zerolog.Nop()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Close)
		return b
	}
	if err := connect(schemas.Setup).Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return connect(schemas.Builder)
}

// buildShop builds a variant with buildkitd, pushes it to the hub and returns its digest.
func (p program) buildShop(t *testing.T, variant string) string {
	t.Helper()
	began := time.Now()
	c, err := client.New(t.Context(), "unix://"+p.state.BuildkitSocket())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	shop, err := fsutil.NewFS("../../examples/shop")
	if err != nil {
		t.Fatal(err)
	}
	version, err := exec.Command("node", "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	status := make(chan *client.SolveStatus)
	var printed strings.Builder
	var g errgroup.Group
	g.Go(func() error {
		for s := range status {
			for _, line := range s.Logs {
				printed.Write(line.Data)
			}
		}
		return nil
	})
	result, err := c.Solve(t.Context(), nil, client.SolveOpt{
		Frontend: "dockerfile.v0",
		FrontendAttrs: map[string]string{
			"target": variant, "build-arg:BASE_REGISTRY": site.HubRegistry + "/base",
			"build-arg:NODE_VERSION": strings.TrimPrefix(strings.TrimSpace(string(version)), "v"),
		},
		LocalMounts: map[string]fsutil.FS{"context": shop, "dockerfile": shop},
		Exports: []client.ExportEntry{{Type: client.ExporterImage, Attrs: map[string]string{
			"name": site.HubRegistry + "/shop/" + variant + ":test", "push": "true", "oci-mediatypes": "true",
		}}},
	}, status)
	g.Wait()
	if err != nil {
		t.Fatalf("build %s: %v\n%s", variant, err, &printed)
	}
	t.Logf("built %s in %.1f s", variant, time.Since(began).Seconds())
	return result.ExporterResponse["containerimage.digest"]
}

// push pushes a changed image of a variant to the hub.
func push(t *testing.T, variant string) string {
	t.Helper()
	image, err := crane.Pull(site.HubRegistry+"/shop/"+variant+":test", crane.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	top, err := crane.Image(map[string][]byte{"changed": []byte(t.Name())})
	if err != nil {
		t.Fatal(err)
	}
	layers, err := top.Layers()
	if err != nil {
		t.Fatal(err)
	}
	if image, err = mutate.AppendLayers(image, layers...); err != nil {
		t.Fatal(err)
	}
	if err := crane.Push(image, site.HubRegistry+"/shop/"+variant+":test2", crane.Insecure); err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest.String()
}

// replicate copies an image from the hub to the regions' registries.
func replicate(t *testing.T, variant, digest string, regions ...site.Site) []schemas.ImageState {
	t.Helper()
	began := time.Now()
	images := make([]schemas.ImageState, len(regions))
	g, ctx := errgroup.WithContext(t.Context())
	for i, region := range regions {
		images[i] = schemas.ImageState{
			App: "shop", Variant: variant, Region: region.Name, Build: "test", Digest: digest, Parity: "verified", Since: time.Now(),
			Reference: region.Registry() + "/shop/" + variant + "@" + digest,
		}
		g.Go(func() error {
			return crane.Copy(site.HubRegistry+"/shop/"+variant+"@"+digest, images[i].Reference, crane.Insecure, crane.WithContext(ctx))
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("copied %s to %d regions in %.2f s", variant, len(regions), time.Since(began).Seconds())
	return images
}

func put(t *testing.T, b *bus.Bus, image schemas.ImageState) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := bus.Put(ctx, b, schemas.ImageBucket, image, bus.Condition{}); err != nil {
		t.Fatal(err)
	}
}

// answered waits until a container that is not the old one answers, and returns its instance id.
func answered(t *testing.T, region site.Site, variant, old string) string {
	t.Helper()
	began := time.Now()
	var instance string
	eventually(t, 20*time.Second, func() error {
		got, err := try("http://" + region.App(variant) + "/healthz")
		if err != nil {
			return err
		}
		if !strings.HasPrefix(got, region.Name+"/"+variant+"/") {
			t.Fatalf("%s/%s answered as %q", region.Name, variant, got)
		}
		if got == old {
			return fmt.Errorf("still answered by %s", old)
		}
		instance = got
		return nil
	})
	t.Logf("%s answered after %.2f s", instance, time.Since(began).Seconds())
	return instance
}

func get(t *testing.T, url string) string {
	t.Helper()
	instance, err := try(url)
	if err != nil {
		t.Fatal(err)
	}
	return instance
}

func try(url string) (string, error) {
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s %s %v", url, resp.Status, body, err)
	}
	return resp.Header.Get("X-Leeward-Instance"), nil
}

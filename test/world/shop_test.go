package world_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/natsd"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/test/world"
	"github.com/leeward-failover/leeward/test/world/baseimage"
	"github.com/leeward-failover/leeward/test/world/site"
)

// TestShopRunsInEveryRegion is the world's whole job with the test in Leeward's place: it makes the shop's images, copies
// them to every region's registry, tells the runtimes over the bus and asks through HAProxy.
func TestShopRunsInEveryRegion(t *testing.T) {
	p := build(t)
	before := p.traces(t)
	pushes := newHook(t)
	p.up(t, "--hook", pushes.server.URL)
	pushes.want(t, "base/debian", "base/node", "base/node")
	builder := p.startBus(t)
	images := map[string]schemas.ImageState{}
	built := shopImages(t)
	for variant, image := range built {
		digest := push(t, image, variant)
		pushes.want(t, "shop")
		for _, state := range replicate(t, variant, digest, site.Regions...) {
			images[state.Region+"/"+variant] = state
			put(t, builder, state)
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
		put(t, builder, replicate(t, "slim", push(t, changed(t, built["slim"]), "changed-slim"), site.Regions[0])[0])
		answered(t, site.Regions[0], "slim", instances["frankfurt/slim"])
	})
	t.Run("image of another registry is left alone", func(t *testing.T) {
		image := images["dallas/slim"]
		image.Digest = images["dallas/single"].Digest
		image.Reference = site.HubRegistry + "/shop@" + image.Digest
		put(t, builder, image)
		// Another variant's change, seen after it, shows that it was read.
		put(t, builder, replicate(t, "single", push(t, changed(t, built["single"]), "changed-single"), site.Regions[2])[0])
		answered(t, site.Regions[2], "single", instances["dallas/single"])
		if got := get(t, "http://"+site.Regions[2].App("slim")+"/healthz"); got != instances["dallas/slim"] {
			t.Errorf("the container was replaced by one from another registry: %s", got)
		}
	})
	t.Run("databases follow the primary", func(t *testing.T) { databasesFollow(t, p) })
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
	t.Run("down leaves nothing behind", func(t *testing.T) {
		record, _ := world.Up()
		family := processes(t, record.Process)
		p.downLeaves(t, before)
		family.gone(t)
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
	t.Helper()
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

// shopImages makes an image per variant as the shop's Dockerfile would, from the base images and this machine's npm; the
// Dockerfile itself is the builder's to build.
func shopImages(t *testing.T) map[string]v1.Image {
	t.Helper()
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS("../../examples/shop")); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"ci", "--no-audit", "--no-fund"}, {"run", "build"}} {
		cmd := exec.Command("npm", args...)
		cmd.Dir = folder
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("npm %v: %v: %s", args, err, out)
		}
	}
	cache, err := world.BaseImages()
	if err != nil {
		t.Fatal(err)
	}
	bases, err := baseimage.Build(t.Context(), cache, "")
	if err != nil {
		t.Fatal(err)
	}
	return map[string]v1.Image{
		"single": stack(t, bases[2].Image, folder, "node", "src/server.js"),
		"slim":   stack(t, bases[1].Image, filepath.Join(folder, "dist"), "node", "server.cjs"),
	}
}

// stack puts the files of a folder on an image, in /app.
func stack(t *testing.T, base v1.Image, folder string, command ...string) v1.Image {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		files["app/"+name], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return appended(t, base, files, func(c *v1.Config) { c.WorkingDir, c.User, c.Cmd = "/app", "node", command })
}

// appended is an image with one more layer and a changed configuration.
func appended(t *testing.T, base v1.Image, files map[string][]byte, change func(*v1.Config)) v1.Image {
	t.Helper()
	var content bytes.Buffer
	archive := tar.NewWriter(&content)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name]))}); err != nil {
			t.Fatal(err)
		}
		archive.Write(files[name])
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	image, err := mutate.AppendLayers(base, layer)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	change(&config.Config)
	if image, err = mutate.Config(image, config.Config); err != nil {
		t.Fatal(err)
	}
	return image
}

// changed is the image with one file more.
func changed(t *testing.T, image v1.Image) v1.Image {
	t.Helper()
	return appended(t, image, map[string][]byte{"app/changed": []byte(t.Name())}, func(*v1.Config) {})
}

// push pushes an image to the hub and returns its digest.
func push(t *testing.T, image v1.Image, tag string) string {
	t.Helper()
	if err := crane.Push(image, site.HubRegistry+"/shop:"+tag, crane.Insecure, crane.WithContext(t.Context())); err != nil {
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
			Reference: region.Registry() + "/shop@" + digest,
		}
		g.Go(func() error {
			return crane.Copy(site.HubRegistry+"/shop@"+digest, images[i].Reference, crane.Insecure, crane.WithContext(ctx))
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
	eventually(t, time.Minute, func() error {
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
		return "", fmt.Errorf("%s: %s %s", url, resp.Status, body)
	}
	return resp.Header.Get("X-Leeward-Instance"), nil
}

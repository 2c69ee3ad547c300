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
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/config"
	"github.com/leeward-failover/leeward/pkg/natsd"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/test/world"
	"github.com/leeward-failover/leeward/test/world/site"
)

// TestShopRunsInEveryRegion is the world's whole job: Leeward's builder builds the shop's Dockerfile with BuildKit and
// copies what comes out to every region's registry, the runtimes hear of it over the bus, and the test asks the shop.
func TestShopRunsInEveryRegion(t *testing.T) {
	p := build(t)
	before := p.traces(t)
	maria := prepareMariaDB(t)
	pushes := newHook(t)
	p.up(t, "--hook", pushes.server.URL)
	pushes.want(t, "base/debian", "base/node", "base/node", "base/nginx", "base/golang")
	connect := p.startBus(t)
	p.buildShop(t, connect(schemas.Gateway))
	builder := connect(schemas.Builder)
	instances, images := map[string]string{}, map[string]schemas.ImageState{}
	for _, region := range site.Regions {
		for _, variant := range site.Variants {
			name := region.Name + "/" + variant
			instances[name], images[name] = answered(t, region, variant, ""), imageState(t, builder, variant, region)
		}
	}
	pushes.want(t, slices.Repeat([]string{"shop"}, len(site.Variants))...)

	contracts := func(region site.Site) (all []contract) {
		for _, variant := range site.Variants {
			name := region.Name + "/" + variant
			all = append(all, contract{url: "http://" + region.App(variant), instance: instances[name], image: images[name].Digest})
		}
		return all
	}
	for _, c := range contracts(site.Regions[0]) {
		t.Run("contract of "+c.instance, func(t *testing.T) { c.check(t) })
	}
	t.Run("contract on MariaDB", func(t *testing.T) {
		maria.check(t, pulled(t, images["frankfurt/slim"]), pulled(t, images["frankfurt/static"]))
	})
	t.Run("every variant without its database", func(t *testing.T) { p.cutOff(t, site.Regions[1], contracts(site.Regions[1])) })
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
		for _, id := range []string{"frankfurt-shop-slim", "tokyo-shop-single", "london-shop-nginx", "dallas-shop-static"} {
			status := containerStatus(t, id)
			uid := map[bool]string{true: "1000", false: "65532"}[strings.HasSuffix(id, "-slim") || strings.HasSuffix(id, "-single")]
			for _, want := range []string{"Uid:" + strings.Repeat("\t"+uid, 4), "CapEff:\t0000000000000000", "NoNewPrivs:\t1"} {
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
		put(t, builder, schemas.ImageBucket, replicate(t, "slim", push(t, changed(t, pulled(t, images["frankfurt/slim"])), "changed-slim"), site.Regions[0])[0])
		answered(t, site.Regions[0], "slim", instances["frankfurt/slim"])
	})
	t.Run("image of another registry is left alone", func(t *testing.T) {
		image := images["dallas/slim"]
		image.Digest = images["dallas/single"].Digest
		image.Reference = site.HubRegistry + "/shop@" + image.Digest
		put(t, builder, schemas.ImageBucket, image)
		// Another variant's change, seen after it, shows that it was read.
		put(t, builder, schemas.ImageBucket, replicate(t, "single", push(t, changed(t, pulled(t, images["dallas/single"])), "changed-single"), site.Regions[2])[0])
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
			if event.Action != "push" {
				t.Errorf("notified of %+v, want pushes only", event)
			}
			if event.Target.Tag != "" { // not of the parts of an image, which BuildKit pushes by digest
				h.pushes = append(h.pushes, event.Target.Repository)
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

// startBus starts a bus where the runtimes look for it and returns what connects to it as a service.
func (p program) startBus(t *testing.T) func(schemas.Service) *bus.Bus {
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
	return connect
}

// buildShop has Leeward's builder build what leeward.yaml says and stops it when the images are in every region.
func (p program) buildShop(t *testing.T, gateway *bus.Bus) {
	t.Helper()
	began := time.Now()
	text := p.run(t, "topology", "../../examples/leeward.yaml")
	topology, err := config.Parse("leeward.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range topology.Parts("test", time.Now().UTC()) {
		put(t, gateway, schemas.TopologyBucket, part)
	}
	path := filepath.Join(filepath.Dir(p.path), "builder")
	compile := exec.Command("go", "build", "-trimpath", "-o", path, "../../services/builder/cmd/builder")
	compile.Env = append(os.Environ(), "CGO_ENABLED=0") // as make build does, which leaves little to compile
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("build builder: %v: %s", err, out)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(path + ".log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	said := func() string { text, _ := os.ReadFile(log.Name()); return string(text) }
	builder := exec.Command(path)
	builder.Env = append(os.Environ(), "LEEWARD_NATS_URL=nats://"+site.NATS, "LEEWARD_NATS_SEED="+natsd.SeedFile(filepath.Dir(p.seed()), string(schemas.Builder)),
		"LEEWARD_BUILDKIT_ADDR=unix://"+p.state.BuildkitSocket(), "LEEWARD_BUILD_ROOT="+root, "LEEWARD_HEALTH_ADDR=127.0.0.1:0")
	builder.Stdout, builder.Stderr = log, log
	if err := builder.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = builder.Process.Signal(syscall.SIGTERM)
		_ = builder.Wait()
		if t.Failed() {
			t.Logf("the builder said:\n%s", said())
		}
	}()
	watch := topology.Apps[0].Source.Watch[0]
	base := strings.TrimPrefix(watch.Registry, "http://") + "/" + watch.Repository + ":" + watch.Tags[0]
	digest, err := crane.Digest(base, crane.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	push := schemas.ImagePushed{Source: "distribution", Delivery: "1", Registry: watch.Registry, Repository: watch.Repository, Tag: watch.Tags[0], Digest: digest, Verified: "bearer", At: time.Now().UTC()}
	if err := bus.Publish(t.Context(), gateway, schemas.ImagePushedTopic, push); err != nil {
		t.Fatal(err)
	}
	images := bus.NewMirror(gateway, schemas.ImageBucket)
	following, stop := context.WithCancel(t.Context())
	followed := make(chan struct{})
	go func() { defer close(followed); _ = images.Run(following) }()
	defer func() { stop(); <-followed }()
	eventually(t, 4*time.Minute, func() error {
		verified := 0
		for _, image := range images.All() {
			if image.Value.Verified() {
				verified++
			}
		}
		if want := len(topology.Apps[0].Endpoints); verified < want {
			return fmt.Errorf("%d of %d images are in their regions; the builder said:\n%s", verified, want, said())
		}
		return nil
	})
	t.Logf("built and copied after %.1f s", time.Since(began).Seconds())
}

// imageState is what a region was told to run.
func imageState(t *testing.T, b *bus.Bus, variant string, region site.Site) schemas.ImageState {
	t.Helper()
	entry, err := bus.Get(t.Context(), b, schemas.ImageBucket, "shop", variant, region.Name)
	if err != nil {
		t.Fatal(err)
	}
	return entry.Value
}

// pulled is an image as its registry holds it.
func pulled(t *testing.T, state schemas.ImageState) v1.Image {
	t.Helper()
	image, err := crane.Pull(state.Reference, crane.Insecure, crane.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	return image
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

func put[T schemas.Value](t *testing.T, b *bus.Bus, bucket schemas.Bucket[T], value T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := bus.Put(ctx, b, bucket, value, bus.Condition{}); err != nil {
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

package builder_test

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/pkg/oci"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/builder"
)

// TestMain lets the test binary stand in for the builder's own process, so that it can be killed.
func TestMain(m *testing.M) {
	if os.Getenv("LEEWARD_TEST_AS_BUILDER") != "" {
		daemon.Main("builder", builder.Run)
		return
	}
	os.Exit(m.Run())
}

// world is a builder process with everything it works with: a bus, a BuildKit daemon, a home registry and three regions.
type world struct {
	t         *testing.T
	bus       *bus.Bus
	nats      *bustest.Server
	builder   *process
	daemon    *process
	health    string
	home      *registry
	regions   map[string]*registry
	buildRoot string
	pushes    int

	mu    sync.Mutex
	built []schemas.BuildFinished
	moved []schemas.ImageReplicated
}

var regionNames = []string{"frankfurt", "london", "dallas"}

// newWorld starts a world; more are settings of the builder's.
func newWorld(t *testing.T, more ...string) *world {
	t.Helper()
	daemonProcess, socket := startBuildkitd(t)
	server := bustest.Start(t)
	w := &world{t: t, daemon: daemonProcess, home: startRegistry(t), regions: map[string]*registry{}, buildRoot: t.TempDir(),
		nats: server, bus: server.Connect(schemas.Gateway, ""), health: fmt.Sprintf("http://127.0.0.1:%d", freePort(t))}
	for _, name := range regionNames {
		w.regions[name] = startRegistry(t)
	}
	w.builder = start(t, append(more,
		"LEEWARD_TEST_AS_BUILDER=1", "LEEWARD_NATS_URL="+server.URL(), "LEEWARD_NATS_SEED="+server.Seed(schemas.Builder, ""),
		"LEEWARD_BUILDKIT_ADDR="+socket, "LEEWARD_BUILD_ROOT="+w.buildRoot, "LEEWARD_HEALTH_ADDR="+w.health[len("http://"):],
	), os.Args[0])
	w.listen()
	return w
}

// listen collects what the builder publishes.
func (w *world) listen() {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	w.t.Cleanup(func() { cancel(); group.Wait() })
	subjects := []string{schemas.BuildFinishedTopic.Contract().Filter(), schemas.ImageReplicatedTopic.Contract().Filter()}
	group.Go(func() {
		_ = w.bus.Tail(ctx, schemas.Events, 1, subjects, func(m bus.Message) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if e, err := schemas.BuildFinishedTopic.Decode(m.Subject, m.Data); err == nil {
				w.built = append(w.built, e)
				return nil
			}
			e, err := schemas.ImageReplicatedTopic.Decode(m.Subject, m.Data)
			if err != nil {
				w.t.Errorf("event: %v", err)
			}
			w.moved = append(w.moved, e)
			return nil
		})
	})
}

// write puts a file into the build root.
func (w *world) write(path, text string) {
	w.t.Helper()
	path = filepath.Join(w.buildRoot, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// shop is an app that watches base/files:1 in the home registry and is built from the folder of its name.
func (w *world) shop(name string) schemas.App {
	return schemas.App{
		Name: name, Mode: "observe",
		Source: schemas.Source{
			Watch:   []schemas.Watch{{Registry: w.home.url, Repository: "base/files", Tags: []string{"1"}}},
			Context: name, Dockerfile: "Dockerfile", Args: map[string]string{"REGISTRY": w.home.host},
		},
		Images:   schemas.Images{Registry: w.home.url, Repository: "apps/" + name},
		Variants: []schemas.Variant{{Name: "single", Target: "single"}, {Name: "slim", Target: "slim"}},
	}
}

const dockerfile = `ARG REGISTRY
FROM ${REGISTRY}/base/files:1 AS base
FROM scratch AS single
COPY --from=base /motd /motd
COPY app.txt /app.txt
FROM scratch AS slim
COPY --from=base /motd /motd
`

// apply writes a topology as the gateway does.
func (w *world) apply(apps ...schemas.App) {
	w.t.Helper()
	t := schemas.Topology{Version: 1, Apps: apps}
	for _, name := range regionNames {
		t.Regions = append(t.Regions, schemas.Region{Name: name, Registry: w.regions[name].url})
	}
	for _, part := range t.Parts("test", time.Now().UTC()) {
		if _, err := bus.Put(w.t.Context(), w.bus, schemas.TopologyBucket, part, bus.Condition{}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// pushBase stores a base image whose one file says text, under a tag or, without one, by digest only, and returns its digest.
func (w *world) pushBase(text, tag string) string {
	w.t.Helper()
	var file bytes.Buffer
	archive := tar.NewWriter(&file)
	if err := archive.WriteHeader(&tar.Header{Name: "motd", Mode: 0o644, Size: int64(len(text))}); err != nil {
		w.t.Fatal(err)
	}
	if _, err := archive.Write([]byte(text)); err != nil {
		w.t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		w.t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(file.Bytes())), nil })
	if err != nil {
		w.t.Fatal(err)
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		w.t.Fatal(err)
	}
	if image, err = mutate.ConfigFile(image, &v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: must(image.ConfigFile()).RootFS}); err != nil {
		w.t.Fatal(err)
	}
	digest := must(image.Digest()).String()
	repo := must(oci.Repository(w.home.url, "base/files"))
	if tag == "" {
		err = remote.Write(repo.Digest(digest), image)
	} else {
		err = remote.Write(repo.Tag(tag), image)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return digest
}

// announce publishes the push of a digest as base/files:1; every call is another delivery.
func (w *world) announce(digest string) schemas.ImagePushed {
	w.t.Helper()
	return w.announceTag(digest, "1")
}

func (w *world) announceTag(digest, tag string) schemas.ImagePushed {
	w.t.Helper()
	w.pushes++
	e := schemas.ImagePushed{Source: "distribution", Delivery: strconv.Itoa(w.pushes), Registry: w.home.host, Repository: "base/files",
		Tag: tag, Digest: digest, Verified: "bearer", At: time.Now().UTC()}
	w.publish(e)
	return e
}

func (w *world) publish(e schemas.ImagePushed) {
	w.t.Helper()
	if err := bus.Publish(w.t.Context(), w.bus, schemas.ImagePushedTopic, e); err != nil {
		w.t.Fatal(err)
	}
}

// builds returns the outcomes published for an app so far, by variant.
func (w *world) builds(app string) map[string][]schemas.BuildFinished {
	w.mu.Lock()
	defer w.mu.Unlock()
	builds := map[string][]schemas.BuildFinished{}
	for _, b := range w.built {
		if b.App == app {
			builds[b.Variant] = append(builds[b.Variant], b)
		}
	}
	return builds
}

// waitBuilds waits until each of an app's variants was built n times, and returns the newest outcomes by variant.
func (w *world) waitBuilds(app string, n int, variants ...string) map[string]schemas.BuildFinished {
	w.t.Helper()
	newest := map[string]schemas.BuildFinished{}
	eventually(w.t, fmt.Sprintf("%d builds of %s", n, app), func(context.Context) error {
		builds := w.builds(app)
		for _, v := range variants {
			if len(builds[v]) != n {
				return fmt.Errorf("%s: got %d, want %d", v, len(builds[v]), n)
			}
			newest[v] = builds[v][n-1]
		}
		return nil
	})
	return newest
}

// waitImage waits until a region's entry is as wanted.
func (w *world) waitImage(app, variant, region, digest, parity string) {
	w.t.Helper()
	eventually(w.t, "image of "+app+"/"+variant+" in "+region, func(ctx context.Context) error {
		entry, err := bus.Get(ctx, w.bus, schemas.ImageBucket, app, variant, region)
		if err != nil {
			return err
		}
		if entry.Value.Digest != digest || entry.Value.Parity != parity {
			return fmt.Errorf("got %s %s (%s), want %s %s", entry.Value.Digest, entry.Value.Parity, entry.Value.Error, digest, parity)
		}
		return nil
	})
}

// outcomes are what was published of an image in a region, in order.
func (w *world) outcomes(digest, region string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []string
	for _, m := range w.moved {
		if m.Digest == digest && m.Region == region {
			all = append(all, m.Outcome)
		}
	}
	return slices.Clip(all)
}

// wantTotal compares how many builds the builder counts: an event that is published twice would not be seen, since the bus keeps one.
func (w *world) wantTotal(outcome string, want int) {
	w.t.Helper()
	response, err := http.Get(w.health + "/metrics")
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	got := 0
	for _, m := range regexp.MustCompile(`(?m)^leeward_builder_builds_total\{[^}]*outcome="`+outcome+`"[^}]*\} (\d+)$`).FindAllSubmatch(text, -1) {
		got += must(strconv.Atoi(string(m[1])))
	}
	if got != want {
		w.t.Errorf("%d builds %s, want %d", got, outcome, want)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

package build_test

import (
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/builder/internal/build"
)

// bench is a builder on a real bus whose one app can not be built, which takes no BuildKit to find out.
type bench struct {
	t       *testing.T
	gateway *bus.Bus
	own     *bus.Bus
	builder *build.Builder
	push    schemas.ImagePushed
}

func newBench(t *testing.T) bench {
	t.Helper()
	server := bustest.Start(t)
	images := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(images.Close)
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "shop"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "shop", "Dockerfile"), []byte("# syntax=other/frontend\nFROM scratch\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := bench{t: t, gateway: server.Connect(schemas.Gateway, ""), own: server.Connect(schemas.Builder, ""), push: schemas.ImagePushed{
		Source: "distribution", Delivery: "1", Registry: images.URL, Repository: "base", Tag: "1", Digest: "sha256:" + strings.Repeat("a", 64),
		Verified: "bearer", At: time.Now().UTC(),
	}}
	topology := bus.NewMirror(b.own, schemas.TopologyBucket)
	b.builder = &build.Builder{Bus: b.own, Topology: topology, Root: root, Begin: func() func() { return func() {} }, Log: zerolog.Nop(), Metrics: build.NewMetrics(prometheus.NewRegistry())}
	done := make(chan struct{})
	go func() { defer close(done); _ = topology.Run(t.Context()) }()
	t.Cleanup(func() { <-done })
	b.apply(schemas.Topology{Version: 1, Apps: []schemas.App{{
		Name: "shop", Source: schemas.Source{Watch: []schemas.Watch{{Registry: images.URL, Repository: "base", Tags: []string{"1"}}}, Context: "shop"},
		Images: schemas.Images{Registry: images.URL, Repository: "shop"}, Variants: []schemas.Variant{{Name: "slim"}},
	}}})
	return b
}

func (b bench) apply(t schemas.Topology) {
	b.t.Helper()
	for _, part := range t.Parts("test", time.Now().UTC()) {
		if _, err := bus.Put(b.t.Context(), b.gateway, schemas.TopologyBucket, part, bus.Condition{}); err != nil {
			b.t.Fatal(err)
		}
	}
}

// handle handles the push and returns the state it leaves with its revision.
func (b bench) handle() bus.Entry[schemas.BuildState] {
	b.t.Helper()
	if err := b.builder.Handle(b.t.Context(), b.push); err != nil {
		b.t.Fatal(err)
	}
	entry, err := bus.Get(b.t.Context(), b.own, schemas.BuildBucket, "shop", "slim")
	if err != nil {
		b.t.Fatal(err)
	}
	return entry
}

func TestFailedBuildIsTriedAgainByAnotherPushOnly(t *testing.T) {
	b := newBench(t)
	first := b.handle()
	if first.Value.Last.Outcome != "failed" || !first.Value.Announced || first.Value.Wants() {
		t.Fatalf("got %+v, want a failure that was announced", first.Value)
	}
	if again := b.handle(); again.Revision != first.Revision {
		t.Errorf("the same push again: got revision %d, want %d", again.Revision, first.Revision)
	}
	b.push.Delivery = "2"
	if other := b.handle(); other.Revision == first.Revision || other.Value.Last.Build != first.Value.Last.Build {
		t.Errorf("another push: got revision %d of build %s, want a new one of %s", other.Revision, other.Value.Last.Build, first.Value.Last.Build)
	}
}

func TestBuildThatWasNotAnnouncedIsAnnouncedAndNotDoneAgain(t *testing.T) {
	b := newBench(t)
	state := b.handle().Value
	state.Announced, state.Last.Error = false, "as it was written"
	if _, err := bus.Put(t.Context(), b.own, schemas.BuildBucket, state, bus.Condition{}); err != nil {
		t.Fatal(err)
	}
	if got := b.handle().Value; !got.Announced || got.Last.Error != "as it was written" {
		t.Errorf("got %+v, want the recorded outcome, announced", got)
	}
}

func TestPushWithoutTopologyIsPassedOver(t *testing.T) {
	server := bustest.Start(t)
	own := server.Connect(schemas.Builder, "")
	b := build.Builder{Bus: own, Topology: bus.NewMirror(own, schemas.TopologyBucket), Log: zerolog.Nop()}
	if err := b.Handle(t.Context(), schemas.ImagePushed{}); err != nil {
		t.Error(err)
	}
}

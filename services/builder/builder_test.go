package builder_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/leeward-failover/leeward/pkg/oci"
)

func TestPushBuildsEveryVariantOnceAndEveryRegionHoldsIt(t *testing.T) {
	w := newWorld(t)
	w.write("shop/Dockerfile", dockerfile)
	w.write("shop/app.txt", "hello")
	w.apply(w.shop("shop"))
	base := w.pushBase("fair wind", "1")
	event := w.announce(base)

	built := w.waitBuilds("shop", 1, "single", "slim")
	for variant, b := range built {
		if b.Outcome != "succeeded" || b.Trigger != base || b.SizeBytes == 0 || len(b.Layers) == 0 || len(b.Stages) == 0 {
			t.Errorf("%s: got %+v, want a success with size, layers and stages", variant, b)
		}
		for _, region := range regionNames {
			w.waitImage("shop", variant, region, b.Digest, "verified")
			digest, _, err := oci.Resolve(t.Context(), w.regions[region].url, "apps/shop", variant+"-"+b.Build[:12])
			if err != nil || digest != b.Digest {
				t.Errorf("%s in %s: got %s and %v, want %s", variant, region, digest, err, b.Digest)
			}
		}
	}
	if got, want := len(built["single"].Layers), 2; got != want {
		t.Errorf("layers of single: got %d, want %d", got, want)
	}
	if built["single"].Digest == built["slim"].Digest {
		t.Error("the variants are one image, want two")
	}

	t.Run("duplicates build nothing", func(t *testing.T) {
		w.publish(event)
		w.announce(base)
		// The third push is handled after the others, so its build proves that they were handled.
		w.announce(w.pushBase("foul wind", "1"))
		w.waitBuilds("shop", 2, "single", "slim")
		w.wantTotal("succeeded", 4)
	})
	t.Run("an old event does not bring back an old image", func(t *testing.T) {
		w.announce(base)
		w.announce(w.pushBase("no wind", "1"))
		newest := w.waitBuilds("shop", 3, "single", "slim")
		w.wantTotal("succeeded", 6)
		w.waitImage("shop", "single", "london", newest["single"].Digest, "verified")
	})
	t.Run("the digest that was pushed is the base also when the tag is gone", func(t *testing.T) {
		repo := must(oci.Repository(w.home.url, "base/files"))
		if err := remote.Delete(repo.Digest(must(remote.Head(repo.Tag("1"))).Digest.String())); err != nil {
			t.Fatal(err)
		}
		w.announce(w.pushBase("ahoy", ""))
		newest := w.waitBuilds("shop", 4, "single", "slim")
		if got := w.motd("apps/shop", newest["slim"].Digest); got != "ahoy" {
			t.Errorf("motd: got %q (%s), want ahoy", got, newest["slim"].Error)
		}
	})
}

func TestTagsThatArePushedTogetherAreOneBuildInWhateverOrderTheyAreTold(t *testing.T) {
	w := newWorld(t)
	w.write("shop/Dockerfile", dockerfile)
	w.write("shop/app.txt", "hello")
	app := w.shop("shop")
	app.Source.Watch[0].Tags = []string{"1", "2"}
	w.apply(app)
	a := w.pushBase("one", "1")
	w.announceTag(a, "1")
	// The second tag arrives while the first is still gathered for.
	b := w.pushBase("two", "2")
	w.announceTag(b, "2")
	w.announceTag(a, "1")
	w.announce(w.pushBase("three", "1"))
	newest := w.waitBuilds("shop", 1, "single", "slim")
	w.announceTag(b, "2")
	w.announce(w.pushBase("four", "1"))
	w.waitBuilds("shop", 2, "single", "slim")
	w.wantTotal("succeeded", 4)
	if got := w.motd("apps/shop", newest["slim"].Digest); got != "three" {
		t.Errorf("motd of the first build: got %q, want three", got)
	}
}

// motd reads the file of a built image that comes from its base.
func (w *world) motd(repository, digest string) string {
	w.t.Helper()
	repo := must(oci.Repository(w.home.url, repository))
	image, err := remote.Image(repo.Digest(digest))
	if err != nil {
		w.t.Fatal(err)
	}
	files := mutate.Extract(image)
	defer func() { _ = files.Close() }()
	text, err := io.ReadAll(files)
	if err != nil {
		w.t.Fatal(err)
	}
	// A tar of one small file: a header block, then the content.
	return strings.TrimRight(string(text[512:1024]), "\x00")
}

func TestDeadRegistryBlocksNobodyAndIsFilledWhenItComesBack(t *testing.T) {
	w := newWorld(t)
	w.write("shop/Dockerfile", dockerfile)
	w.write("shop/app.txt", "hello")
	w.apply(w.shop("shop"))
	w.announce(w.pushBase("one", "1"))
	first := w.waitBuilds("shop", 1, "single", "slim")["slim"]
	w.waitImage("shop", "slim", "dallas", first.Digest, "verified")

	w.regions["dallas"].stop(syscall.SIGKILL)
	w.announce(w.pushBase("two", "1"))
	second := w.waitBuilds("shop", 2, "single", "slim")["slim"]
	w.waitImage("shop", "slim", "london", second.Digest, "verified")
	eventually(t, "dallas is given up on for now", func(context.Context) error {
		if diff := cmp.Diff([]string{"failed"}, w.outcomes(second.Digest, "dallas")); diff != "" {
			return errors.New(diff)
		}
		return nil
	})
	w.waitImage("shop", "slim", "dallas", first.Digest, "verified")

	// The builder forgets everything it did not write down.
	w.builder.stop(syscall.SIGKILL)
	w.builder.start()
	w.regions["dallas"].start()
	w.waitImage("shop", "slim", "dallas", second.Digest, "verified")
	w.waitBuilds("shop", 2, "single", "slim")
	if got := w.outcomes(second.Digest, "dallas"); got[len(got)-1] != "verified" {
		t.Errorf("dallas: got %v, want verified at the end", got)
	}
}

func TestWhatCanNotBeBuiltFailsOnceWithItsReason(t *testing.T) {
	w := newWorld(t)
	w.write("broken/Dockerfile", dockerfile)
	w.write("frontend/Dockerfile", "# syntax=evil.example/frontend\n"+dockerfile)
	w.write("frontend/app.txt", "hello")
	if err := os.MkdirAll(filepath.Join(w.buildRoot, "root"), 0o755); err != nil {
		t.Fatal(err)
	}
	outside := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(w.buildRoot, "linked")); err != nil {
		t.Fatal(err)
	}
	dotted := w.shop("dotted")
	dotted.Source.Context = "../" + filepath.Base(outside)
	w.apply(w.shop("broken"), w.shop("frontend"), dotted, w.shop("linked"))
	event := w.announce(w.pushBase("one", "1"))

	for app, reason := range map[string]string{"broken": "app.txt", "frontend": "# syntax=", "dotted": "escapes", "linked": "escapes"} {
		single := w.waitBuilds(app, 1, "single")["single"]
		if single.Outcome != "failed" || !strings.Contains(single.Error, reason) {
			t.Errorf("%s: got %s with %q, want a failure that names %q", app, single.Outcome, single.Error, reason)
		}
	}
	// The variant that does not need the missing file goes on.
	if slim := w.waitBuilds("broken", 1, "slim")["slim"]; slim.Outcome != "succeeded" {
		t.Errorf("slim: got %s (%s), want succeeded", slim.Outcome, slim.Error)
	}
	w.publish(event)
	w.write("broken/app.txt", "here now")
	w.announce(event.Digest)
	if single := w.waitBuilds("broken", 2, "single")["single"]; single.Outcome != "succeeded" {
		t.Errorf("mended: got %s (%s), want succeeded", single.Outcome, single.Error)
	}
}

func TestKilledBuilderDaemonAndRegistryLoseNoPush(t *testing.T) {
	w := newWorld(t)
	gate := newGate(t)
	w.write("shop/Dockerfile", fmt.Sprintf("FROM scratch AS single\nADD %s/file /file\nFROM scratch AS slim\nCOPY Dockerfile /\n", gate.url))
	w.apply(w.shop("shop"))
	w.announce(w.pushBase("one", "1"))

	gate.wait()
	w.builder.stop(syscall.SIGKILL)
	gate.forget()
	w.builder.start()
	gate.wait()
	w.daemon.stop(syscall.SIGKILL)
	eventually(t, "readiness names the reason", func(ctx context.Context) error {
		err := answer(ctx, w.health+"/readyz")
		if err == nil || !strings.Contains(err.Error(), "BuildKit is away") {
			return fmt.Errorf("got %w", err)
		}
		return nil
	})
	gate.forget()
	w.daemon.start()
	gate.wait()
	w.home.stop(syscall.SIGKILL)
	gate.open()
	eventually(t, "the push home comes to nothing", func(context.Context) error {
		if !strings.Contains(w.builder.out.String(), "reach registry "+w.home.url) {
			return errors.New("nothing was said of it")
		}
		return nil
	})
	w.home.start()
	built := w.waitBuilds("shop", 1, "single", "slim")
	for variant, b := range built {
		if b.Outcome != "succeeded" {
			t.Errorf("%s: got %s (%s), want succeeded", variant, b.Outcome, b.Error)
		}
	}
	eventually(t, "ready again", func(ctx context.Context) error { return answer(ctx, w.health+"/readyz") })
}

// gate is a file server that holds every request until it is opened.
type gate struct {
	t      *testing.T
	url    string
	asked  chan struct{}
	opened chan struct{}
	open   func()
}

func newGate(t *testing.T) *gate {
	g := &gate{t: t, asked: make(chan struct{}, 64), opened: make(chan struct{})}
	g.open = sync.OnceFunc(func() { close(g.opened) })
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		g.asked <- struct{}{}
		select {
		case <-g.opened:
			_, _ = io.WriteString(rw, "through")
		case <-r.Context().Done():
		}
	}))
	g.url = server.URL
	t.Cleanup(func() { g.open(); server.Close() })
	return g
}

// forget leaves aside who asked so far.
func (g *gate) forget() {
	for len(g.asked) > 0 {
		<-g.asked
	}
}

// wait returns when a build asks for the file.
func (g *gate) wait() {
	g.t.Helper()
	eventually(g.t, "a build asks for the file", func(ctx context.Context) error {
		select {
		case <-g.asked:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

package builder_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/gittest"
	"github.com/leeward-failover/leeward/schemas"
)

// ofGit is the shop, built from the folder app of a private repository's branch.
func (w *world) ofGit(name, repository string) schemas.App {
	app := w.shop(name)
	app.Source.Git = schemas.Git{Repository: repository, Branch: gittest.Branch, Token: "env:LEEWARD_TEST_GIT_TOKEN"}
	app.Source.Context = "app"
	return app
}

// push publishes the push of a commit; every call is another delivery.
func (w *world) push(repository, commit string) {
	w.t.Helper()
	w.pushes++
	e := schemas.SourcePushed{Source: "github", Delivery: strconv.Itoa(w.pushes), Repository: repository, Branch: gittest.Branch, Commit: commit, Verified: "hmac", At: time.Now().UTC()}
	if err := bus.Publish(w.t.Context(), w.bus, schemas.SourcePushedTopic, e); err != nil {
		w.t.Fatal(err)
	}
}

func TestPushedBranchIsBuiltAtTheCommitItIsAt(t *testing.T) {
	t.Setenv("LEEWARD_TEST_GIT_TOKEN", "git-t0ken")
	w := newWorld(t)
	server := gittest.Start(t, "git-t0ken")
	w.write("folder/Dockerfile", dockerfile)
	w.write("folder/app.txt", "of a folder")
	w.apply(w.ofGit("shop", server.URL), w.shop("folder"))
	base := w.pushBase("fair wind", "1")
	first := server.Commit(map[string]string{"app/Dockerfile": dockerfile, "app/app.txt": "one", "README": "not in the context"})
	w.push(server.URL, first)
	built := w.waitBuilds("shop", 1, "single", "slim")
	for variant, b := range built {
		if b.Outcome != "succeeded" || b.Commit != first || b.Trigger != first || len(b.Stages) == 0 {
			t.Fatalf("%s: got %+v, want a success of %s", variant, b, first)
		}
		w.waitImage("shop", variant, "london", b.Digest, "verified")
	}
	if got := w.motd("apps/shop", built["slim"].Digest); got != "fair wind" {
		t.Errorf("motd: got %q, want the pinned base's", got)
	}

	t.Run("a push that was overtaken, and an old one that comes again, lead to what the branch is at", func(t *testing.T) {
		server.Commit(map[string]string{"app/app.txt": "two"})
		third := server.Commit(map[string]string{"app/app.txt": "three"})
		w.push(server.URL, first)
		w.push(server.URL, third)
		w.push(server.URL, first)
		for variant, b := range w.waitBuilds("shop", 2, "single", "slim") {
			if b.Commit != third || b.Outcome != "succeeded" {
				t.Errorf("%s: got %s of %s, want a success of %s", variant, b.Outcome, b.Commit, third)
			}
		}
	})
	t.Run("an image it watches builds the commit anew, and a folder is not touched by pushes of branches", func(t *testing.T) {
		if n := len(w.builds("folder")); n != 0 {
			t.Errorf("the folder was built %d times by pushes of a branch", n)
		}
		w.announce(base)
		w.waitBuilds("folder", 1, "single", "slim")
		w.announce(w.pushBase("foul wind", "1"))
		w.waitBuilds("folder", 2, "single", "slim")
		w.waitBuilds("shop", 3, "single", "slim")
		w.wantTotal("succeeded", 10)
	})
	t.Run("what can not be built fails with its reason", func(t *testing.T) {
		for n, c := range []struct{ file, text, reason string }{
			{"app/Dockerfile", "# syntax=evil.example/frontend\n" + dockerfile, "# syntax="},
			{"app/Dockerfile", strings.Replace(dockerfile, "app.txt /", "gone.txt /", 1), "gone.txt"},
		} {
			w.push(server.URL, server.Commit(map[string]string{c.file: c.text}))
			if b := w.waitBuilds("shop", 4+n, "single")["single"]; b.Outcome != "failed" || !strings.Contains(b.Error, c.reason) {
				t.Errorf("got %s with %q, want a failure that names %q", b.Outcome, b.Error, c.reason)
			}
		}
		app := w.ofGit("lost", server.URL)
		app.Source.Git.Branch = "lost"
		w.apply(app)
		w.pushes++
		if err := bus.Publish(t.Context(), w.bus, schemas.SourcePushedTopic, schemas.SourcePushed{
			Source: "github", Delivery: "lost", Repository: server.URL, Branch: "lost", Commit: first, Verified: "hmac", At: time.Now().UTC(),
		}); err != nil {
			t.Fatal(err)
		}
		if b := w.waitBuilds("lost", 1, "single")["single"]; b.Outcome != "failed" || !strings.Contains(b.Error, "not on the git server") {
			t.Errorf("a branch that is gone: got %s with %q", b.Outcome, b.Error)
		}
	})
	if strings.Contains(w.builder.out.String(), "git-t0ken") {
		t.Error("the log holds the token")
	}
}

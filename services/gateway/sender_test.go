package gateway_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/pkg/gittest"
	"github.com/leeward-failover/leeward/schemas"
)

const (
	hubHook         = "/hooks/registry/dockerhub/s3cret"
	githubImageHook = "/hooks/registry/github"
	githubGitHook   = "/hooks/git/github"
)

// signed is the signature of a body by a secret, as GitHub writes it.
func signed(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// github delivers a call as GitHub would.
func (g instance) github(path, event, delivery string, body []byte) reply {
	g.t.Helper()
	return g.call(http.MethodPost, path, map[string]string{
		"Content-Type": "application/json", "X-GitHub-Event": event, "X-GitHub-Delivery": delivery, "X-Hub-Signature-256": signed("s3cret", body),
	}, body)
}

// ofGit is the topology of an app that is built from a branch too.
func ofGit(registry, repository string) string {
	return strings.Replace(topology(registry), "      context: shop\n", fmt.Sprintf("      git: {repository: %q, branch: main}\n", repository), 1)
}

func TestSignedWebhookRefusesWhatItsSecretDidNotSign(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	g, deaf := start(t, s, nil), start(t, s, map[string]string{"LEEWARD_HOOK_GITHUB_SECRET": "", "LEEWARD_HOOK_DOCKERHUB_SECRET": ""})
	body := recorded(t, "github-push.json")
	whole := signed("s3cret", body)
	for _, path := range []string{githubImageHook, githubGitHook} {
		answers := map[string]bool{}
		for _, signature := range []string{
			"", "sha256=", whole[7:], whole[:70], whole + "00", "sha1=" + whole[7:], signed("s3cret2", body), signed("", body), signed("s3cret", body[1:]), "sha256=" + strings.Repeat("z", 64),
		} {
			r := g.call(http.MethodPost, path, map[string]string{"X-GitHub-Event": "push", "X-Hub-Signature-256": signature}, body)
			if r.status != http.StatusUnauthorized {
				t.Errorf("%s with %q = %d", path, signature, r.status)
			}
			answers[r.body] = true
		}
		if len(answers) != 1 {
			t.Errorf("the answer tells how near a guess was: %v", answers)
		}
		if r := g.github(path, "ping", "1", recorded(t, "github-ping.json")); r.status != http.StatusAccepted {
			t.Errorf("a ping of %s = %d %s", path, r.status, r.body)
		}
		if r := deaf.github(path, "push", "1", body); r.status != http.StatusForbidden {
			t.Errorf("%s without a secret configured = %d", path, r.status)
		}
		if r := g.github(path, "push", "1", bytes.Repeat([]byte(" "), 1<<20+1)); r.status != http.StatusRequestEntityTooLarge {
			t.Errorf("%s with a huge body = %d", path, r.status)
		}
	}
	// GitHub's own published example of a signature.
	hello := start(t, s, map[string]string{"HOOK": "It's a Secret to Everybody"})
	r := hello.call(http.MethodPost, githubGitHook, map[string]string{
		"X-GitHub-Event": "ping", "X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
	}, []byte("Hello, World!"))
	if r.status != http.StatusAccepted {
		t.Errorf("the published signature = %d %s", r.status, r.body)
	}
}

func TestSecretInTheAddressIsNeededAndNeverShown(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	var log strings.Builder
	g, deaf := startLogging(t, s, &log, nil), start(t, s, map[string]string{"LEEWARD_HOOK_DOCKERHUB_SECRET": "", "LEEWARD_HOOK_PINGDOM_SECRET": ""})
	for hook, name := range map[string]string{hubHook: "dockerhub.json", pingdomHook: "pingdom-down.json"} {
		body, bare := recorded(t, name), strings.TrimSuffix(hook, "/s3cret")
		for path, want := range map[string]int{
			bare: http.StatusNotFound, bare + "/": http.StatusNotFound, bare + "/s3cre": http.StatusUnauthorized, bare + "/s3cret2": http.StatusUnauthorized,
			hook + "/x": http.StatusNotFound, hook: http.StatusAccepted,
		} {
			if r := g.call(http.MethodPost, path, nil, body); r.status != want || strings.Contains(r.body, "s3cre") {
				t.Errorf("%s = %d %s, want %d", path, r.status, r.body, want)
			}
		}
		// What is refused with the right secret is logged without it too.
		if r := g.call(http.MethodPost, hook, nil, []byte("{")); r.status != http.StatusBadRequest {
			t.Errorf("half a body = %d", r.status)
		}
		if r := deaf.call(http.MethodPost, hook, nil, body); r.status != http.StatusForbidden {
			t.Errorf("without a secret configured = %d", r.status)
		}
	}
	_ = g.stop()
	if text := log.String(); !strings.Contains(text, "webhook refused") || strings.Contains(text, "s3cre") {
		t.Errorf("the log holds the secret, or nothing:\n%s", text)
	}
}

func TestRegistriesWithoutADigestOrASignedIDStoreAPushOnce(t *testing.T) {
	t.Parallel()
	for name, deliver := range map[string]func(g instance, n int) reply{
		"dockerhub": func(g instance, _ int) reply {
			return g.call(http.MethodPost, hubHook, map[string]string{"Content-Type": "application/json"}, recorded(g.t, "dockerhub.json"))
		},
		// The id of a delivery is not signed: a recorded call under another id is the same push.
		"package": func(g instance, n int) reply {
			return g.github(githubImageHook, "package", fmt.Sprint(n), recorded(g.t, "github-package.json"))
		},
		"registry_package": func(g instance, n int) reply {
			return g.github(githubImageHook, "registry_package", fmt.Sprint(n), recorded(g.t, "github-registry-package.json"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := bustest.Start(t)
			g := start(t, s, nil)
			g.t = t
			hub := newRegistry(t)
			g.apply(topology(hub))
			digest := pushImage(t, hub, "1")
			for n := range 3 {
				if r := deliver(g, n); r.status != http.StatusAccepted {
					t.Fatalf("delivery = %d %s", r.status, r.body)
				}
			}
			got := announced(newLedger(t, s))
			if len(got) != 1 {
				t.Fatalf("stored %d events, want 1: %+v", len(got), got)
			}
			want := schemas.ImagePushed{Source: "github", Delivery: got[0].BodySHA256, Registry: strings.TrimPrefix(hub, "http://"), Repository: "demo/base", Tag: "1",
				Digest: digest, Verified: "hmac", BodySHA256: got[0].BodySHA256, At: got[0].At}
			if name == "dockerhub" {
				want.Source, want.Verified = "dockerhub", "path"
			}
			if diff := cmp.Diff(want, got[0]); diff != "" || len(got[0].BodySHA256) != 64 {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPushedBranchIsStoredOnceHoweverItIsDelivered(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	g := start(t, s, nil)
	// The topology writes the address in its own way; port 1 of this machine is no git server, so nothing is found by asking.
	g.apply(ofGit(newRegistry(t), "http://127.0.0.1:1/Demo/shop"))
	body := bytes.Replace(recorded(t, "github-push.json"), []byte("https://github.com/demo/shop.git"), []byte("https://127.0.0.1:1/demo/shop.git"), 1)
	form := []byte("payload=" + url.QueryEscape(string(body)))
	if r := g.github(githubGitHook, "push", "72d3162e", body); r.status != http.StatusAccepted {
		t.Fatalf("delivery = %d %s", r.status, r.body)
	}
	for n := range 2 {
		if r := g.github(githubGitHook, "push", fmt.Sprintf("again-%d", n), body); r.status != http.StatusAccepted {
			t.Fatalf("delivery = %d %s", r.status, r.body)
		}
	}
	got := all(newLedger(t, s), schemas.SourcePushedTopic)
	if len(got) != 1 {
		t.Fatalf("stored %+v, want one push", got)
	}
	want := schemas.SourcePushed{Source: "github", Delivery: "72d3162e", Repository: "http://127.0.0.1:1/Demo/shop", Branch: "main",
		Commit: "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c", Verified: "hmac", BodySHA256: got[0].BodySHA256, At: got[0].At}
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	r := g.call(http.MethodPost, githubGitHook, map[string]string{
		"Content-Type": "application/x-www-form-urlencoded", "X-GitHub-Event": "push", "X-Hub-Signature-256": signed("s3cret", form),
	}, form)
	if n := len(all(newLedger(t, s), schemas.SourcePushedTopic)); r.status != http.StatusAccepted || n != 2 {
		t.Errorf("the same as a form, which is another body = %d %s and %d events, want 2", r.status, r.body, n)
	}
}

func TestGitHubEventsThatDoNotConcernUsAreAcceptedAndDropped(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	g := start(t, s, nil)
	hub := newRegistry(t)
	g.apply(ofGit(hub, "https://127.0.0.1:1/demo/shop.git"))
	pushImage(t, hub, "1")
	push := bytes.Replace(recorded(t, "github-push.json"), []byte("https://github.com/demo/shop.git"), []byte("https://127.0.0.1:1/demo/shop.git"), 1)
	image := recorded(t, "github-package.json")
	change := func(body []byte, from, to string) []byte {
		if !bytes.Contains(body, []byte(from)) {
			t.Fatalf("the body holds no %s", from)
		}
		return bytes.ReplaceAll(body, []byte(from), []byte(to))
	}
	for what, c := range map[string]struct {
		path, event string
		body        []byte
	}{
		"another event":          {githubGitHook, "issues", push},
		"no event":               {githubGitHook, "", push},
		"another branch":         {githubGitHook, "push", change(push, "refs/heads/main", "refs/heads/mainly")},
		"a tag":                  {githubGitHook, "push", change(push, "refs/heads/main", "refs/tags/main")},
		"a branch that is gone":  {githubGitHook, "push", change(change(push, `"deleted": false`, `"deleted": true`), "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c", strings.Repeat("0", 40))},
		"another repository":     {githubGitHook, "push", recorded(t, "github-push.json")},
		"an image, at git":       {githubGitHook, "package", image},
		"a push, at images":      {githubImageHook, "push", push},
		"a manifest without tag": {githubImageHook, "package", change(image, `"tag": {"name": "1"`, `"tag": {"name": ""`)},
		"another tag":            {githubImageHook, "package", change(image, `"tag": {"name": "1"`, `"tag": {"name": "2"`)},
		"another package":        {githubImageHook, "package", change(image, "Demo/base:1", "Demo/bass:1")},
		"no image":               {githubImageHook, "package", change(image, `"CONTAINER"`, `"npm"`)},
		"another action":         {githubImageHook, "package", change(image, "published", "deleted")},
	} {
		if r := g.github(c.path, c.event, what, c.body); r.status != http.StatusAccepted {
			t.Errorf("%s = %d %s", what, r.status, r.body)
		}
	}
	for what, c := range map[string]struct{ path, event, body string }{
		"no JSON":        {githubGitHook, "push", "{"},
		"no commit":      {githubGitHook, "push", `{"ref": "refs/heads/main", "after": "HEAD"}`},
		"no reference":   {githubGitHook, "push", `{"after": "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c"}`},
		"no package":     {githubImageHook, "package", `{"action": "published"}`},
		"the other kind": {githubImageHook, "registry_package", string(image)},
	} {
		if r := g.github(c.path, c.event, what, []byte(c.body)); r.status != http.StatusBadRequest {
			t.Errorf("%s = %d %s", what, r.status, r.body)
		}
	}
	l := newLedger(t, s)
	if pushes, sources := announced(l), all(l, schemas.SourcePushedTopic); len(pushes)+len(sources) > 0 {
		t.Errorf("stored %+v and %+v", pushes, sources)
	}
}

func TestCommitDuringAnAbsenceIsFoundOnceAtTheStart(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	l := newLedger(t, s)
	server := gittest.Start(t, "git-t0ken")
	private := strings.Replace(ofGit(newRegistry(t), server.URL), "branch: main}", `branch: main, token: "env:GIT"}`, 1)
	commits := func() (list string) {
		for _, e := range all(l, schemas.SourcePushedTopic) {
			if e.Source != "reconcile" || e.Verified != "own" || e.Repository != server.URL || e.Branch != "main" {
				t.Errorf("stored %+v", e)
			}
			list += e.Commit + " "
		}
		return list
	}
	want := server.Commit(map[string]string{"a": "1"}) + " "
	g := start(t, s, map[string]string{"GIT": "git-t0ken"})
	g.apply(private)
	g.await("the first commit", func() bool { return commits() == want })
	_ = g.stop()
	want += server.Commit(map[string]string{"a": "2"}) + " "
	g = start(t, s, map[string]string{"GIT": "git-t0ken"})
	g.await("the new commit alone", func() bool { return commits() == want })
}

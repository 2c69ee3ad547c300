package gateway_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/schemas"
)

// TestPageAboutOverridesIsTrue runs the commands of docs/how-to/override.md at an installation of the example.
func TestPageAboutOverridesIsTrue(t *testing.T) {
	example, err := os.ReadFile("../../examples/leeward.yaml")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/how-to/override.md")
	if err != nil {
		t.Fatal(err)
	}
	s := bustest.Start(t)
	g := start(t, s, nil)
	g.apply(string(example))
	if out, err := g.shows("override", "list", "shop"); err != nil || out != "nothing is ordered of shop\n" {
		t.Errorf("before the first: %v: %s", err, out)
	}
	overrides := bus.NewMirror(s.Connect(schemas.Actuator, ""), schemas.OverrideBucket)
	go func() { _ = overrides.Run(t.Context()) }()
	said := ""
	run := func(block string) {
		t.Helper()
		for line := range strings.Lines(block) {
			words, err := exec.CommandContext(t.Context(), "sh", "-c", `printf '%s\n' `+strings.TrimPrefix(line, "bin/leeward ")).Output()
			if err != nil {
				t.Fatal(err)
			}
			if said, err = g.shows(strings.Split(strings.TrimSpace(string(words)), "\n")...); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
	}
	stand := func(want ...string) {
		t.Helper()
		var got []string
		g.await("orders "+strings.Join(want, ", "), func() bool {
			got = nil
			for _, key := range []string{"shop.frankfurt.slim", "shop.london", "shop.tokyo.slim"} {
				if e, ok := overrides.All()[key]; ok {
					got = append(got, e.Value.Kind+" "+e.Value.Scope()+" "+e.Value.Until.Sub(e.Value.At).String()+" "+e.Value.Why)
				}
			}
			return strings.Join(got, "\n") == strings.Join(want, "\n")
		})
	}
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) != 3 {
		t.Fatalf("%d blocks of commands, want 3", len(blocks))
	}
	run(blocks[0][1])
	const london, slim, pinned = "exclude london 2h0m0s disk trouble", "exclude tokyo/slim 30m0s new image is being looked at", "pin frankfurt/slim 1h0m0s canary"
	stand(london, slim)
	g.await("the list", func() bool {
		out, err := g.shows("override", "list", "shop")
		return err == nil && strings.Contains(out, "disk trouble") && strings.Contains(out, "tokyo/slim")
	})
	run(blocks[1][1])
	stand(pinned, london, slim)
	if !regexp.MustCompile(`^frankfurt/slim of shop: pinned until \S+Z; it is looked at in every failover from now on\n$`).MatchString(said) || !strings.Contains(string(page), said[:len("frankfurt/slim of shop: pinned until 20")]) {
		t.Errorf("a pin says %q, and the page something else", said)
	}
	run(blocks[2][1])
	stand(slim)
	if _, err := g.shows("override", "clear", "shop", "london"); err == nil || !strings.Contains(err.Error(), "nothing is ordered of shop in london") {
		t.Errorf("cleared twice: %v", err)
	}
	if _, err := g.shows("override", "pin", "shop", "london/", "--for", "1h", "--why", "x"); err == nil || !strings.Contains(err.Error(), `"london/": write REGION or REGION/VARIANT`) {
		t.Errorf("no variant after the slash: %v", err)
	}
	if _, err := g.shows("override", "pin", "shop", "london", "--why", "x"); err == nil || !strings.Contains(err.Error(), `required flag(s) "for" not set`) {
		t.Errorf("without an end: %v", err)
	}
}

func TestOverrideIsTakenOnlyFromWhoMayAndWithAnEnd(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	g := start(t, s, nil)
	g.apply(topology("http://127.0.0.1:1"))
	call := func(method, token, path, body string) reply {
		return g.call(method, "/v1/apps/"+path, map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json"}, []byte(body))
	}
	const good = `{"kind": "exclude", "why": "disk trouble", "actor": "anna", "for": "2s"}`
	with := func(old, replacement string) string { return strings.Replace(good, old, replacement, 1) }
	for what, c := range map[string]struct {
		token, path, body string
		status            int
		says              string
	}{
		"no token":        {"", "shop/overrides/r1", good, http.StatusUnauthorized, "bearer token"},
		"unknown app":     {"t0ken", "cart/overrides/r1", good, http.StatusNotFound, "no app named cart"},
		"unknown region":  {"t0ken", "shop/overrides/r9", good, http.StatusUnprocessableEntity, "shop has no endpoint in r9"},
		"unknown variant": {"t0ken", "shop/overrides/r1?variant=fat", good, http.StatusUnprocessableEntity, "shop has no endpoint in r1/fat"},
		"unknown kind":    {"t0ken", "shop/overrides/r1", with("exclude", "freeze"), http.StatusUnprocessableEntity, "kind"},
		"no why":          {"t0ken", "shop/overrides/r1", with(`"disk trouble"`, `""`), http.StatusUnprocessableEntity, "why"},
		"nobody":          {"t0ken", "shop/overrides/r1", with(`"actor": "anna", `, ""), http.StatusUnprocessableEntity, "actor"},
		"no end":          {"t0ken", "shop/overrides/r1", with(`, "for": "2s"`, ""), http.StatusUnprocessableEntity, "for"},
		"ended":           {"t0ken", "shop/overrides/r1", with("2s", "-2h"), http.StatusUnprocessableEntity, "is not a duration from 1s to 720h0m0s"},
		"for ever":        {"t0ken", "shop/overrides/r1", with("2s", "721h"), http.StatusUnprocessableEntity, "belongs in leeward.yaml"},
		"some time":       {"t0ken", "shop/overrides/r1", with("2s", "soon"), http.StatusUnprocessableEntity, "such as 2h"},
	} {
		r := call(http.MethodPut, c.token, c.path, c.body)
		if r.status != c.status || !strings.Contains(string(r.body), c.says) {
			t.Errorf("%s = %d %s, want %d and %q", what, r.status, r.body, c.status, c.says)
		}
		r.problem(t)
	}
	if r := call(http.MethodDelete, "", "shop/overrides/r1", ""); r.status != http.StatusUnauthorized {
		t.Errorf("cleared without a token: %d", r.status)
	}
	list := func() []schemas.Override {
		t.Helper()
		var all []schemas.Override
		if r := call(http.MethodGet, "", "shop/overrides", ""); r.status != http.StatusOK || json.Unmarshal([]byte(r.body), &all) != nil || all == nil {
			t.Errorf("list = %d %s", r.status, r.body)
		}
		return all
	}
	if got := list(); len(got) > 0 {
		t.Fatalf("stored %+v", got)
	}
	if r := call(http.MethodPut, "t0ken", "shop/overrides/r1?variant=slim", good); r.status != http.StatusOK {
		t.Fatalf("put = %d %s", r.status, r.body)
	}
	g.await("the order", func() bool { return len(list()) == 1 })
	if o := list()[0]; o.Who != "anna" || o.Scope() != "r1/slim" || o.Until.Sub(o.At) != 2*time.Second {
		t.Errorf("stored %+v", o)
	}
	g.await("its end", func() bool { return len(list()) == 0 })
	g.await("its key's end", func() bool {
		_, err := bus.Get(t.Context(), s.Connect(schemas.Gateway, ""), schemas.OverrideBucket, "shop", "r1", "slim")
		return err != nil
	})
}

package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/schemas"
)

// visitor is a person's browser, as far as forms go: it keeps cookies and follows nothing.
type visitor struct {
	t      *testing.T
	g      instance
	cookie string
	// origin is where its forms say they come from.
	origin string
}

func (v *visitor) send(method, path string, form url.Values) reply {
	v.t.Helper()
	req, err := http.NewRequest(method, v.g.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if v.origin != "" {
		req.Header.Set("Origin", v.origin)
	}
	if v.cookie != "" {
		req.Header.Set("Cookie", v.cookie)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	for _, c := range resp.Cookies() {
		v.cookie = c.Name + "=" + c.Value
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(body)}
}

// signedIn is a visitor who gave the token, with the proof that its forms carry.
func signedIn(t *testing.T, g instance) (*visitor, string) {
	t.Helper()
	v := &visitor{t: t, g: g, origin: g.url}
	r := v.send(http.MethodPost, "/ui/login", url.Values{"actor": {"ada"}, "token": {"t0ken"}, "next": {"/ui/request?app=shop"}})
	if r.status != http.StatusSeeOther || r.header.Get("Location") != "/ui/request?app=shop" {
		t.Fatalf("sign in = %d to %q: %s", r.status, r.header.Get("Location"), r.body)
	}
	set := r.header.Get("Set-Cookie")
	for _, want := range []string{"HttpOnly", "SameSite=Strict", "Path=/"} {
		if !strings.Contains(set, want) {
			t.Errorf("the session's cookie %q is not %s", set, want)
		}
	}
	proof := regexp.MustCompile(`name="proof" value="([^"]+)"`).FindStringSubmatch(v.send(http.MethodGet, "/ui/request?app=shop", nil).body)
	if proof == nil {
		t.Fatal("the page has no proof")
	}
	return v, proof[1]
}

func wishFor(proof string) url.Values {
	return url.Values{"proof": {proof}, "app": {"shop"}, "region": {"r1"}, "reason": {"a drill"}, "request": {"once"}}
}

func TestConsoleRefusesWhatDoesNotComeFromItsOwnForms(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	g := start(t, s, nil)
	g.apply(topology("http://127.0.0.1:1"))
	v, proof := signedIn(t, g)
	other, otherProof := signedIn(t, g)
	for name, c := range map[string]struct {
		visitor visitor
		form    url.Values
		want    int
	}{
		"nobody":                    {visitor{t: t, g: g, origin: g.url}, wishFor(proof), http.StatusUnauthorized},
		"an unknown session":        {visitor{t: t, g: g, origin: g.url, cookie: "leeward_session=made-up"}, wishFor(proof), http.StatusUnauthorized},
		"no proof":                  {visitor{t: t, g: g, origin: g.url, cookie: v.cookie}, wishFor(""), http.StatusForbidden},
		"another session's proof":   {visitor{t: t, g: g, origin: g.url, cookie: v.cookie}, wishFor(otherProof), http.StatusForbidden},
		"another origin":            {visitor{t: t, g: g, origin: "http://evil.example", cookie: v.cookie}, wishFor(proof), http.StatusForbidden},
		"no origin":                 {visitor{t: t, g: g, cookie: v.cookie}, wishFor(proof), http.StatusForbidden},
		"an origin that is null":    {visitor{t: t, g: g, origin: "null", cookie: v.cookie}, wishFor(proof), http.StatusForbidden},
		"the token instead of form": {visitor{t: t, g: g, origin: g.url, cookie: "leeward_session=t0ken"}, wishFor("t0ken"), http.StatusUnauthorized},
	} {
		if r := c.visitor.send(http.MethodPost, "/ui/request", c.form); r.status != c.want {
			t.Errorf("a request by %s = %d, want %d: %s", name, r.status, c.want, r.body)
		}
	}
	for name, form := range map[string]url.Values{
		"a wrong token": {"actor": {"ada"}, "token": {"guess"}}, "no token": {"actor": {"ada"}, "token": {""}}, "nobody's name": {"actor": {" "}, "token": {"t0ken"}},
	} {
		w := visitor{t: t, g: g, origin: g.url}
		if r := w.send(http.MethodPost, "/ui/login", form); r.status != http.StatusUnauthorized || w.cookie != "" {
			t.Errorf("signing in with %s = %d with cookie %q", name, r.status, w.cookie)
		}
	}
	if r := other.send(http.MethodPost, "/ui/logout", url.Values{"proof": {otherProof}}); r.status != http.StatusSeeOther {
		t.Errorf("sign out = %d", r.status)
	}
	if r := (&visitor{t: t, g: g, origin: g.url, cookie: "leeward_session=" + strings.TrimPrefix(other.cookie, "leeward_session=")}).send(http.MethodGet, "/ui/request", nil); r.status != http.StatusSeeOther {
		t.Errorf("the form after signing out = %d", r.status)
	}
	if found := all(newLedger(t, s), schemas.FailoverRequestedTopic); len(found) != 0 {
		t.Errorf("refused forms were stored: %v", found)
	}
	for want, wish := range map[string]url.Values{
		"no endpoint in a region named mars": {"proof": {proof}, "app": {"shop"}, "region": {"mars"}, "reason": {"a drill"}},
		"no variant named huge":              {"proof": {proof}, "app": {"shop"}, "variant": {"huge"}, "reason": {"a drill"}},
		"Give a reason":                      {"proof": {proof}, "app": {"shop"}, "reason": {"  "}},
		"no app named cart":                  {"proof": {proof}, "app": {"cart"}, "reason": {"a drill"}},
	} {
		if r := v.send(http.MethodPost, "/ui/request", wish); r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, want) {
			t.Errorf("%v = %d without %q", wish, r.status, want)
		}
	}
	for range 2 {
		if r := v.send(http.MethodPost, "/ui/request", wishFor(proof)); r.status != http.StatusSeeOther {
			t.Errorf("the form itself = %d %s", r.status, r.body)
		}
	}
	found := all(newLedger(t, s), schemas.FailoverRequestedTopic)
	if len(found) != 1 || found[0].Actor != "ada" || found[0].Reason != "a drill" || found[0].To.Region != "r1" || time.Since(found[0].At) > time.Minute {
		t.Errorf("the form that was sent twice is stored as %+v, want once", found)
	}
}

func TestConsoleGoesOnNowhereElse(t *testing.T) {
	t.Parallel()
	g := start(t, bustest.Start(t), nil)
	for _, next := range []string{"//evil.example", "https://evil.example/ui/", "/\\evil.example", "/ui/\r\nX: y", "javascript:alert(1)", "/v1/apps"} {
		v := &visitor{t: t, g: g, origin: g.url}
		if r := v.send(http.MethodPost, "/ui/login", url.Values{"actor": {"ada"}, "token": {"t0ken"}, "next": {next}}); r.header.Get("Location") != "/" {
			t.Errorf("after signing in with next %q the way goes to %q", next, r.header.Get("Location"))
		}
	}
}

func TestConsoleWithoutATokenLetsNobodyIn(t *testing.T) {
	t.Parallel()
	g := start(t, bustest.Start(t), map[string]string{"LEEWARD_API_TOKEN": ""})
	v := &visitor{t: t, g: g, origin: g.url}
	if r := v.send(http.MethodPost, "/ui/login", url.Values{"actor": {"ada"}, "token": {""}}); r.status != http.StatusUnauthorized || v.cookie != "" {
		t.Errorf("signing in = %d with cookie %q", r.status, v.cookie)
	}
}

func TestEveryAnswerOfTheConsoleIsGuarded(t *testing.T) {
	t.Parallel()
	g := start(t, bustest.Start(t), nil)
	for _, path := range []string{"/", "/ui/ranking", "/ui/events", "/ui/login", "/ui/nowhere", "/ui/assets/console.js", "/ui/assets/nothing", "/ui/live?after=soon"} {
		r := g.call(http.MethodGet, path, nil, nil)
		for name, want := range map[string]string{"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"} {
			if got := r.header.Get(name); !strings.Contains(got, want) {
				t.Errorf("%s has %s %q, want %s", path, name, got, want)
			}
		}
		for _, banned := range []string{"<script>", " style=", " onclick=", "javascript:"} {
			if strings.Contains(r.body, banned) && !strings.Contains(path, "assets") {
				t.Errorf("%s holds %s", path, banned)
			}
		}
	}
	policy := g.call(http.MethodGet, "/", nil, nil).header.Get("Content-Security-Policy")
	for _, want := range []string{"script-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'", "base-uri 'none'", "form-action 'self'"} {
		if !strings.Contains(policy, want) || strings.Contains(policy, "unsafe") {
			t.Errorf("the policy %q lacks %s", policy, want)
		}
	}
}

func TestConsoleStreamGoesOnAfterTheLastEventThatThePageHas(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	g := start(t, s, nil)
	g.apply(topology("http://127.0.0.1:1"))
	for _, f := range []string{"f1", "f2", "f3", "f4"} {
		if r := g.hook(alertmanagerHook, alert(t, f, "firing", map[string]string{"alertname": "RegionDown", "region": "r0"})); r.status != http.StatusAccepted {
			t.Fatalf("alert = %d %s", r.status, r.body)
		}
	}
	for name, c := range map[string]struct {
		query, last string
		want        uint64
	}{
		"a page that just came":             {"?after=2", "", 3},
		"one that comes back":               {"?after=2", "4", 5},
		"one that shows alerts only":        {"?after=1&type=alert.received", "", 2},
		"one that has more than there ever": {"?after=99", "", 0},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.url+"/ui/live"+c.query, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.last != "" {
			req.Header.Set("Last-Event-ID", c.last)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		stream := sse{t, bufio.NewScanner(resp.Body), cancel}
		fields := stream.next()
		for fields["event"] == "state" || fields["event"] == "" {
			fields = stream.next()
		}
		if want := fmt.Sprint(c.want); fields["id"] != want && (c.want > 0 || fields["event"] != "wiped") {
			t.Errorf("%s first gets %v, want event %s", name, fields, want)
		}
		cancel()
		_ = resp.Body.Close()
	}
}

package world_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/test/world/netns"
	"github.com/leeward-failover/leeward/test/world/site"
)

// contract is what every variant of the shop promises, wherever it runs and whatever it is made of.
type contract struct {
	url string
	// instance and image are what every answer's headers must say.
	instance, image string
	client          http.Client
}

// answer is what the shop said.
type answer struct {
	status     int
	header     http.Header
	kind, body string
}

// do asks and looks at what all answers have in common.
func (c contract) do(t *testing.T, method, path, body string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"X-Leeward-Instance": c.instance, "X-Leeward-Image": c.image} {
		if got := strings.Join(resp.Header.Values(name), ", "); got != want {
			t.Errorf("%s %s: %s is %q, want %q", method, path, name, got, want)
		}
	}
	a := answer{status: resp.StatusCode, header: resp.Header, body: string(data)}
	a.kind, _, _ = strings.Cut(resp.Header.Get("Content-Type"), ";")
	return a
}

// check asks everything that can be asked of a shop whose database is there.
func (c contract) check(t *testing.T) {
	c.page(t)
	c.healthz(t)
	var shelf struct{ Products []map[string]any }
	c.value(t, "GET", "/api/products", "", http.StatusOK, &shelf)
	want := []map[string]any{
		{"id": 1.0, "name": "Storm lantern", "price_cents": 3900.0}, {"id": 2.0, "name": "Oilskin coat", "price_cents": 12900.0},
		{"id": 3.0, "name": "Brass barometer", "price_cents": 8400.0}, {"id": 4.0, "name": "Sea chart of the lee shore", "price_cents": 2600.0},
		{"id": 5.0, "name": "Ten fathoms of hemp line", "price_cents": 1750.0},
	}
	if diff := cmp.Diff(want, shelf.Products); diff != "" {
		t.Errorf("products (- want, + got):\n%s", diff)
	}
	first, second := c.order(t), c.order(t)
	if first < 1 || second <= first {
		t.Errorf("two orders are numbered %d and %d, want them to grow from 1", first, second)
	}
	c.problem(t, "GET", "/nothing", "", http.StatusNotFound, "there is nothing here")
	c.problem(t, "GET", "/assets/nothing.js", "", http.StatusNotFound, "there is nothing here")
	for path, allow := range map[string]string{"/": "GET", "/lantern.svg": "GET", "/healthz": "GET", "/api/products": "GET"} {
		if got := c.problem(t, "POST", path, "{}", http.StatusMethodNotAllowed, "only GET can be done here").header.Get("Allow"); got != allow {
			t.Errorf("POST %s: Allow is %q, want %q", path, got, allow)
		}
	}
	c.problem(t, "GET", "/api/orders", "", http.StatusMethodNotAllowed, "only POST can be done here")
	c.problem(t, "POST", "/api/orders", "two lanterns", http.StatusBadRequest, "the body is not JSON")
	c.problem(t, "POST", "/api/orders", strings.Repeat(" ", 17<<10), http.StatusRequestEntityTooLarge, "the body is larger than 16384 bytes")
	for _, body := range []string{"null", "[]", `{"product_id":1}`, `{"product_id":1,"quantity":0}`, `{"product_id":1,"quantity":101}`, `{"product_id":1.5,"quantity":1}`, `{"product_id":"1","quantity":1}`, `{"product_id":2147483648,"quantity":1}`} {
		c.problem(t, "POST", "/api/orders", body, http.StatusUnprocessableEntity, "product_id and quantity (1 to 100) must be whole numbers")
	}
	c.problem(t, "POST", "/api/orders", `{"product_id":6,"quantity":1}`, http.StatusUnprocessableEntity, "there is no such product")
}

var assets = regexp.MustCompile(`(?:src|href)="(/[^"]+)"`)

// page looks at the front end and everything it names.
func (c contract) page(t *testing.T) {
	t.Helper()
	kinds := map[string]string{".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
	a := c.do(t, "GET", "/", "")
	if a.status != http.StatusOK || a.kind != "text/html" || a.header.Get("Cache-Control") != "no-cache" || !strings.Contains(a.body, `id="shop"`) {
		t.Fatalf("the page: %+v", a)
	}
	if a := c.do(t, "HEAD", "/", ""); a.status != http.StatusOK || a.body != "" {
		t.Errorf("HEAD /: %d with a body of %d bytes", a.status, len(a.body))
	}
	found := assets.FindAllStringSubmatch(a.body, -1)
	if len(found) != len(kinds) {
		t.Fatalf("the page names %d files, want %d: %s", len(found), len(kinds), a.body)
	}
	for _, name := range found {
		a := c.do(t, "GET", name[1], "")
		cache := "no-cache"
		if strings.HasPrefix(name[1], "/assets/") {
			cache = "public, max-age=31536000, immutable"
		}
		want := kinds[name[1][strings.LastIndexByte(name[1], '.'):]]
		kind := strings.Replace(a.kind, "application/javascript", "text/javascript", 1) // Nginx's name for it
		if a.status != http.StatusOK || kind != want || a.header.Get("Cache-Control") != cache || a.body == "" {
			t.Errorf("%s: %d, %s, Cache-Control %q, %d bytes", name[1], a.status, a.kind, a.header.Get("Cache-Control"), len(a.body))
		}
	}
}

func (c contract) healthz(t *testing.T) {
	t.Helper()
	var health struct{ Status, Instance string }
	c.value(t, "GET", "/healthz", "", http.StatusOK, &health)
	if health.Status != "ok" || health.Instance != c.instance {
		t.Errorf("health is %+v, want ok from %s", health, c.instance)
	}
}

// order places an order and returns its number.
func (c contract) order(t *testing.T) int {
	t.Helper()
	var placed struct {
		Order int
		At    time.Time
	}
	c.value(t, "POST", "/api/orders", `{"product_id":1,"quantity":2}`, http.StatusCreated, &placed)
	if age := time.Since(placed.At).Abs(); age > time.Minute {
		t.Errorf("the order was placed at %s, %s from now", placed.At, age)
	}
	return placed.Order
}

func (c contract) value(t *testing.T, method, path, body string, status int, value any) {
	t.Helper()
	a := c.do(t, method, path, body)
	if a.status != status || a.kind != "application/json" || a.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%s %s: %d %s, Cache-Control %q, want %d: %s", method, path, a.status, a.kind, a.header.Get("Cache-Control"), status, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), value); err != nil {
		t.Fatalf("%s %s: %v: %s", method, path, err, a.body)
	}
}

// problem asks for what can not be answered and compares how that is said.
func (c contract) problem(t *testing.T, method, path, body string, status int, detail string) answer {
	t.Helper()
	a := c.do(t, method, path, body)
	var got map[string]any
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.kind != "application/problem+json" {
		t.Errorf("%s %s %s: %d %s, want a problem: %s", method, path, body[:min(len(body), 40)], a.status, a.kind, a.body)
	}
	want := map[string]any{"type": "about:blank", "title": title(status), "status": float64(status), "detail": detail}
	if diff := cmp.Diff(want, got); a.status != status || diff != "" {
		t.Errorf("%s %s %s: %d, want %d (- want, + got):\n%s", method, path, body[:min(len(body), 40)], a.status, status, diff)
	}
	return a
}

// title is what RFC 9110 calls a status; Go's name for one is older.
func title(status int) string {
	if status == http.StatusRequestEntityTooLarge {
		return "Content Too Large"
	}
	return http.StatusText(status)
}

// cutOff cuts a region off and asks its containers from inside: they must say that the primary is away, and live.
func (p program) cutOff(t *testing.T, region site.Site, variants []contract) {
	p.run(t, "cut", region.Name)
	defer p.run(t, "heal", region.Name)
	inside := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
		err = netns.Do(region.Namespace, func() error {
			conn, err = new(net.Dialer).DialContext(ctx, network, addr)
			return err
		})
		return conn, err
	}}}
	t.Run("cut off", func(t *testing.T) { // and healed when all of them have ended
		for _, c := range variants {
			c.client = inside
			t.Run(c.instance, func(t *testing.T) {
				t.Parallel()
				c.problem(t, "POST", "/api/orders", `{"product_id":1,"quantity":1}`, http.StatusServiceUnavailable, "the database does not answer")
				c.healthz(t)
				c.page(t)
			})
		}
	})
}

package probe_test

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/socks"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/guard"
	"github.com/leeward-failover/leeward/services/prober/internal/probe"
)

// TestEveryKindAsksWhetherItMayConnect has the guard of a prober that allows no private address, in front of servers on the loopback.
func TestEveryKindAsksWhetherItMayConnect(t *testing.T) {
	s := serve(t, says("ok"))
	k := probe.NewKit("london", socks.Dialer{Permit: new(guard.Guard).Permit}, func(ref string) (string, error) { return ref, nil })
	defer k.Close(context.Background())
	for kind, address := range map[schemas.Kind]string{
		schemas.KindICMP: "127.0.0.1", schemas.KindTCP: s.host(), schemas.KindTLS: s.host(), schemas.KindTLSResumed: s.host(), schemas.KindHTTP: s.URL, schemas.KindHTTPKept: s.URL,
		schemas.KindDNS: "dns://" + s.host() + "/shop.example", schemas.KindGRPC: "grpc://" + s.host(), schemas.KindRegistry: s.URL + "/team/shop",
	} {
		of := checked(kind, address, schemas.HTTPCheck{})
		if m := k.Measure(context.Background(), of, time.Now()); !errors.Is(m.Err, guard.ErrForbidden) {
			t.Errorf("%s: %v", kind, m.Err)
		}
	}
	if n := s.opened.Load(); n > 0 {
		t.Errorf("%d connections were opened", n)
	}
}

// TestRedirectsAreAskedAboutToo has an app that sends on to where its cloud keeps its secrets. Nobody asks there, and nobody says that the app is not well: it answered, and what it sends on to is unknown.
func TestRedirectsAreAskedAboutToo(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://169.254.169.254/latest/meta-data/", http.StatusFound)
	})
	g := &guard.Guard{Private: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	k := probe.NewKit("london", socks.Dialer{Permit: g.Permit}, nil)
	defer k.Close(context.Background())
	m := k.Measure(context.Background(), checked(schemas.KindHTTP, s.URL, schemas.HTTPCheck{Redirects: 1}), time.Now())
	const says = "http: redirected to http://169.254.169.254/latest/meta-data/: not measured: 169.254.169.254 is of a range that probers never reach"
	if !errors.Is(m.Err, guard.ErrForbidden) || m.Err.Error() != says {
		t.Errorf("got %v, want %s", m.Err, says)
	}
	expectOf(t, k, checked(schemas.KindHTTP, s.URL, schemas.HTTPCheck{}), schemas.OK, "")
}

package actuator_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/haproxytest"
)

// TestRequestsAreCountedByTheRegionOfTheirEntry asks three times as often at the entry of london's clients as at that of tokyo's, and goes on from what an actuator
// an hour ago had counted.
func TestRequestsAreCountedByTheRegionOfTheirEntry(t *testing.T) {
	t.Parallel()
	var tokyo *haproxytest.HAProxy
	w := newWorld(t, func(app *schemas.App) {
		app.Objective.Weights = schemas.ObservedWeights
		app.Targets[0].Region = "london"
		other := *app.Targets[0].HAProxy
		var servers []haproxytest.Server
		for i, e := range app.Endpoints {
			servers = append(servers, haproxytest.Server{Name: other.Servers[i].Server, Addr: strings.TrimPrefix(e.HTTP, "http://")})
		}
		servers[0].Weight = 100
		tokyo = haproxytest.Start(t, servers...)
		other.Socket = tokyo.Socket
		app.Targets = append(app.Targets, schemas.Target{Name: "entry-tokyo", Region: "tokyo", HAProxy: &other})
	})
	loads := bus.NewMirror(w.gateway, schemas.LoadBucket)
	go func() { _ = loads.Run(w.ctx) }()
	put(w, w.server.Connect(schemas.Actuator, ""), schemas.LoadBucket, schemas.Load{App: "shop", At: time.Now().Add(-schemas.LoadMemory),
		Regions: []schemas.RegionRequests{{Region: "tokyo", Requests: 5000}, {Region: "paris", Requests: 5000}}})
	w.act("one")
	w.awaitRoute("frankfurt", 1)
	inLondon, inTokyo := w.visit(w.proxy.URL, 20*time.Millisecond), w.visit(tokyo.URL, 60*time.Millisecond)
	got := await(w, loads, "requests of both regions", func(l schemas.Load) bool {
		return len(l.Regions) == 2 && l.Regions[0].Region == "london"
	})
	const remembered = 5000 / math.E
	asked := []float64{float64(inLondon()), float64(inTokyo())}
	fresh := []float64{got.Regions[0].Requests, got.Regions[1].Requests - remembered}
	for i, r := range got.Regions {
		if fresh[i] < 0.3*asked[i] || fresh[i] > asked[i]+remembered/100 || r.Region != []string{"london", "tokyo"}[i] {
			t.Errorf("%+v, asked were %.0f", r, asked[i])
		}
	}
	if ratio := fresh[0] / asked[0] * asked[1] / fresh[1]; ratio < 0.7 || ratio > 1.4 {
		t.Errorf("%+v, asked were %.0f: the shares are others", got.Regions, asked)
	}
}

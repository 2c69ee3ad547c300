package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway/internal/doctor"
)

// targetFile is a file of targets that is replaced as a whole, as tools do.
type targetFile struct {
	t    *testing.T
	path string
}

func newTargetFile(t *testing.T, targets ...string) targetFile {
	t.Helper()
	f := targetFile{t, filepath.Join(t.TempDir(), "targets.json")}
	f.name(targets...)
	return f
}

// name has the file name targets, each as region host:port.
func (f targetFile) name(targets ...string) {
	f.t.Helper()
	groups := make([]string, len(targets))
	for i, target := range targets {
		region, address, _ := strings.Cut(target, " ")
		groups[i] = fmt.Sprintf(`{"targets": [%q], "labels": {"leeward_region": %q}}`, address, region)
	}
	f.write("[" + strings.Join(groups, ", ") + "]")
}

func (f targetFile) write(text string) {
	f.t.Helper()
	if err := os.WriteFile(f.path+".new", []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(f.path+".new", f.path); err != nil {
		f.t.Fatal(err)
	}
}

// discovering is a topology whose app has no endpoint but those a file names.
func (f targetFile) discovering(keep string) string {
	own := `    endpoints:
      - {region: r0, variant: slim, tcp: "127.0.0.1:4"}
      - {region: r1, variant: slim, tcp: "127.0.0.1:5"}
`
	return strings.Replace(topology("http://127.0.0.1:1"), own, fmt.Sprintf("    discover: [{name: file, file: %q, interval: 1s, keep: %s, endpoint: {tcp: \"{address}\"}}]\n", f.path, keep), 1)
}

// endpoints are the app's endpoints by candidate.
func (g instance) endpoints() string {
	g.t.Helper()
	var got struct{ Topology schemas.Topology }
	if err := json.Unmarshal([]byte(g.call(http.MethodGet, "/v1/topology", nil, nil).body), &got); err != nil || len(got.Topology.Apps) == 0 {
		return ""
	}
	var all []string
	for _, e := range got.Topology.Apps[0].Endpoints {
		all = append(all, e.Region+" "+e.TCP)
	}
	return strings.Join(all, ", ")
}

func (g instance) awaitEndpoints(want string) {
	g.t.Helper()
	g.await(want, func() bool { return g.endpoints() == want })
}

// look is what came of the latest look at the app's one entry.
func (g instance) look() schemas.DiscoveryState {
	g.t.Helper()
	var all []schemas.DiscoveryState
	if err := json.Unmarshal([]byte(g.call(http.MethodGet, "/v1/discoveries", nil, nil).body), &all); err != nil || len(all) != 1 {
		return schemas.DiscoveryState{}
	}
	return all[0]
}

func (g instance) finds(level doctor.Level, says string) bool {
	g.t.Helper()
	var findings []doctor.Finding
	if err := json.Unmarshal([]byte(g.call(http.MethodGet, "/v1/doctor", nil, nil).body), &findings); err != nil {
		g.t.Fatal(err)
	}
	return slices.ContainsFunc(findings, func(f doctor.Finding) bool {
		return f.What == "app shop discover file" && f.Level == level && strings.Contains(f.Evidence, says)
	})
}

func TestWhatAFileNamesIsTheTopologyOfEveryGateway(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t, "v")
	f := newTargetFile(t, "r0 127.0.0.1:4", "r1 127.0.0.1:5")
	one, two := start(t, s, nil), start(t, s, map[string]string{"LEEWARD_INSTANCE": "second"})
	first := one.apply(f.discovering("1m"))
	one.awaitEndpoints("r0 127.0.0.1:4, r1 127.0.0.1:5")
	one.await("a look", func() bool { return one.look().Targets == 2 })
	f.name("r1 127.0.0.1:6", "r0 127.0.0.1:4")
	for _, g := range []instance{one, two} {
		g.awaitEndpoints("r0 127.0.0.1:4, r1 127.0.0.1:6")
	}
	changes := all(newLedger(t, s), schemas.TopologyChangedTopic)
	if len(changes) != 2 || changes[1].Actor != "discovery" || `"`+changes[1].Previous+`"` != first {
		t.Errorf("changes %+v", changes)
	}
	readers := map[string]bool{}
	for began := time.Now(); time.Since(began) < 3*time.Second; time.Sleep(50 * time.Millisecond) {
		readers[one.look().Gateway] = true
	}
	if len(readers) != 1 {
		t.Errorf("it is read by %v, want one", readers)
	}
	// The one that reads ends, and the other goes on.
	reader, other := one, two
	if strings.HasPrefix(one.look().Gateway, "second/") {
		reader, other = two, one
	}
	_ = reader.stop()
	f.name("r1 127.0.0.1:7", "r0 127.0.0.1:4")
	other.awaitEndpoints("r0 127.0.0.1:4, r1 127.0.0.1:7")
	if n := len(all(newLedger(t, s), schemas.TopologyChangedTopic)); n != 3 {
		t.Errorf("the topology changed %d times, want 3", n)
	}
}

func TestLossOfASourceLosesNoEndpoint(t *testing.T) {
	t.Parallel()
	f := newTargetFile(t, "r0 127.0.0.1:4", "r1 127.0.0.1:5", "r9 127.0.0.1:6")
	g := start(t, bustest.Start(t, "v"), nil)
	before := g.apply(f.discovering("1m"))
	const both = "r0 127.0.0.1:4, r1 127.0.0.1:5"
	g.await("the refusal", func() bool {
		return g.look().Refused == 1 && g.finds(doctor.Warn, `3 targets, 2 endpoints, read`) && g.finds(doctor.Warn, `1 refused, first [2].targets[0]: region: "r9" is not a region`)
	})
	for what, c := range map[string]struct {
		do   func()
		says string
	}{
		"empty":   {func() { f.write("[]") }, "it names no target; what it named last stays"},
		"broken":  {func() { f.write("[{") }, "line 1: not JSON"},
		"useless": {func() { f.name("r9 127.0.0.1:4") }, "none of its 1 targets can be used"},
		"gone":    {func() { _ = os.Remove(f.path) }, "no such file"},
	} {
		c.do()
		g.await(what, func() bool { return strings.Contains(g.look().Trouble, c.says) && g.finds(doctor.Warn, c.says) })
		if look := g.look(); g.endpoints() != both || g.current() != before || len(look.Endpoints) != 2 || look.ReadAt.IsZero() || look.Targets != 3 {
			t.Errorf("%s: the topology has %s, the state is %+v", what, g.endpoints(), look)
		}
	}
	// What is applied meanwhile goes by what was named last, too.
	other := g.apply(strings.Replace(f.discovering("1m"), "    start:", "    team: x\n    start:", 1))
	if g.endpoints() != both || other == before {
		t.Errorf("after another apply the topology has %s", g.endpoints())
	}
	f.name("r0 127.0.0.1:4", "r1 127.0.0.1:5")
	g.await("recovery", func() bool { return g.look().Trouble == "" && g.finds(doctor.OK, "2 targets, 2 endpoints, read") })
}

// TestALostRegionIsStillMeasured: a cluster that goes down is no longer named, and that must not stop the probes that will say so.
func TestALostRegionIsStillMeasured(t *testing.T) {
	t.Parallel()
	f := newTargetFile(t, "r0 127.0.0.1:4", "r1 127.0.0.1:5")
	s := bustest.Start(t, "v")
	g := start(t, s, nil)
	g.apply(f.discovering("2s"))
	write(t, s.Connect(schemas.Actuator, ""), schemas.RouteBucket, schemas.Route{App: "shop", Active: schemas.Candidate{Region: "r1", Variant: "slim"}, Epoch: schemas.Epoch{Term: 1, N: 1}, Since: time.Now()})
	g.await("the route", func() bool { return g.call(http.MethodGet, "/v1/apps/shop/route", nil, nil).status == http.StatusOK })
	f.name("r0 127.0.0.1:4")
	g.await("that r1 is kept", func() bool { return len(g.look().Kept) == 1 && g.finds(doctor.Warn, "no longer named: r1/slim") })
	time.Sleep(4 * time.Second) // past keep
	if got := g.endpoints(); got != "r0 127.0.0.1:4, r1 127.0.0.1:5" {
		t.Errorf("with traffic in r1 the topology has %s", got)
	}
	write(t, s.Connect(schemas.Actuator, ""), schemas.RouteBucket, schemas.Route{App: "shop", Active: schemas.Candidate{Region: "r0", Variant: "slim"}, Epoch: schemas.Epoch{Term: 1, N: 2}, Since: time.Now()})
	g.awaitEndpoints("r0 127.0.0.1:4")
	// The region where the app starts stays, traffic or not.
	f.name("r1 127.0.0.1:5")
	g.awaitEndpoints("r0 127.0.0.1:4, r1 127.0.0.1:5")
}

func TestASourceThatChangesItsMindAllTheTimeIsDamped(t *testing.T) {
	t.Parallel()
	f := newTargetFile(t, "r0 127.0.0.1:4", "r1 127.0.0.1:5")
	s := bustest.Start(t, "v")
	g := start(t, s, nil)
	g.apply(f.discovering("1s"))
	began := time.Now()
	for i := range 24 {
		f.name("r0 127.0.0.1:4", fmt.Sprintf("r1 127.0.0.1:%d", 6+i))
		time.Sleep(500 * time.Millisecond)
	}
	if n, most := len(all(newLedger(t, s), schemas.TopologyChangedTopic))-1, int(time.Since(began)/(5*time.Second))+1; n < 2 || n > most {
		t.Errorf("the topology changed %d times in %s, want 2 to %d", n, time.Since(began), most)
	}
	g.awaitEndpoints("r0 127.0.0.1:4, r1 127.0.0.1:29")
}

func TestApplyOfAnAppThatCanNotStartSaysWhatItsSourcesSay(t *testing.T) {
	t.Parallel()
	f := newTargetFile(t, "r9 127.0.0.1:4")
	g := start(t, bustest.Start(t, "v"), nil)
	r := g.put(f.discovering("1m"), "")
	if r.status != http.StatusUnprocessableEntity {
		t.Fatalf("%d %s", r.status, r.body)
	}
	for _, want := range []string{"apps[0].start: r0/slim has no endpoint", "none of its 1 targets can be used", "[0].targets[0]: region: \\\"r9\\\" is not a region", "shop: discover file"} {
		if !strings.Contains(r.body, want) {
			t.Errorf("the answer lacks %s: %s", want, r.body)
		}
	}
	if g.current() != "" {
		t.Error("it was applied")
	}
}

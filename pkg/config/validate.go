package config

import (
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/pkg/address"
	"github.com/leeward-failover/leeward/schemas"
)

// complete fills in what a file may leave out.
func complete(t *schemas.Topology) {
	for i := range t.Apps {
		a := &t.Apps[i]
		a.Mode = orDefault(a.Mode, "observe")
		if a.Source.Git.Repository != "" {
			a.Source.Context = orDefault(a.Source.Context, ".")
		}
		if a.Built() {
			a.Source.Dockerfile = orDefault(a.Source.Dockerfile, "Dockerfile")
		}
		a.Probe.Interval = orDefault(a.Probe.Interval, schemas.Duration(time.Second))
		a.Probe.Timeout = orDefault(a.Probe.Timeout, schemas.Duration(800*time.Millisecond))
		a.Probe.DownAfter = orDefault(a.Probe.DownAfter, 3)
		a.Probe.UpAfter = orDefault(a.Probe.UpAfter, 3)
		a.Objective.Kind = orDefault(a.Objective.Kind, "http")
		a.Objective.Quantile = orDefault(a.Objective.Quantile, 0.95)
		a.Objective.Window = orDefault(a.Objective.Window, schemas.Duration(10*time.Minute))
		a.Failover.Quorum = orDefault(a.Failover.Quorum, 0.5)
		a.Failover.MinVantages = orDefault(a.Failover.MinVantages, 2)
		a.Failover.MaxRankingAge = orDefault(a.Failover.MaxRankingAge, schemas.Duration(15*time.Minute))
		a.Failover.CoolDown = orDefault(a.Failover.CoolDown, schemas.Duration(time.Hour))
		a.Failover.Verify.Header = orDefault(a.Failover.Verify.Header, "X-Leeward-Instance")
		a.Failover.Verify.Timeout = orDefault(a.Failover.Verify.Timeout, schemas.Duration(10*time.Second))
		if len(a.Failover.Shift) == 0 {
			a.Failover.Shift = []int{1, 5, 25, 50, 100}
		}
		a.Failover.Bake = orDefault(a.Failover.Bake, schemas.Duration(10*time.Second))
		for j := range a.Discover {
			completeDiscovery(&a.Discover[j])
		}
	}
}

func orDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// validator checks what a topology means; the decoder knows where each path stood.
type validator struct {
	d *decoder
	// discovered says that what apps discover has been added.
	discovered bool
}

// whole says whether all of an app's endpoints are there.
func (v validator) whole(a schemas.App) bool { return v.discovered || len(a.Discover) == 0 }

// failf reports a problem at a path, or at its nearest parent that stands in the file.
func (v validator) failf(path, hint, format string, args ...any) {
	at, ok := v.d.positions[path]
	for p := path; !ok && p != ""; at, ok = v.d.positions[p] {
		p = p[:max(strings.LastIndexAny(p, ".["), 0)]
	}
	if !ok {
		at = position{1, 1}
	}
	v.d.fail(at, path+": "+fmt.Sprintf(format, args...), hint)
}

func (v validator) topology(t schemas.Topology) {
	if t.Version != 1 {
		v.failf("version", "write version: 1", "%d is not a version of this format", t.Version)
	}
	names := unique{v, map[string]bool{}}
	for i, r := range t.Regions {
		path := at("regions", i)
		names.add(path+".name", r.Name)
		if r.Registry != "" {
			v.url(path+".registry", r.Registry)
		} else if slices.ContainsFunc(t.Apps, schemas.App.Built) {
			v.failf(path+".registry", "built images are copied there", "is missing")
		}
		if r.Location.Latitude < -90 || r.Location.Latitude > 90 || r.Location.Longitude < -180 || r.Location.Longitude > 180 {
			v.failf(path+".location", "latitude is -90 to 90, longitude -180 to 180", "is not a place on earth")
		}
		if r.Location == (schemas.Location{}) {
			v.failf(path+".location", "as {latitude: 50.11, longitude: 8.68}: distances come from it", "is missing")
		}
		if r.Jurisdiction == "" {
			v.failf(path+".jurisdiction", "name the law the region is under, as DE or US", "is missing")
		}
		v.regionTexts(path, r)
	}
	if len(t.Regions) < 2 {
		v.failf("regions", "", "a failover needs two regions, and there are %d", len(t.Regions))
	}
	v.vantages(t)
	names = unique{v, map[string]bool{}}
	for i, a := range t.Apps {
		path := at("apps", i)
		names.add(path+".name", a.Name)
		v.app(path, a, t)
	}
}

func (v validator) vantages(t schemas.Topology) {
	names := unique{v, map[string]bool{}}
	for i, p := range t.Vantages {
		path := at("vantages", i)
		names.add(path+".name", p.Name)
		if p.Name == schemas.ImportVantage {
			v.failf(path+".name", "name it after the place it measures from", "%q stands for imported results", p.Name)
		}
		if p.Region != "" {
			v.region(path+".region", p.Region, t)
		}
		for j, a := range p.Anchors {
			v.hostPort(at(path+".anchors", j), a)
		}
		v.share(path+".weight", p.Weight)
	}
	if len(t.Vantages) == 0 {
		v.failf("vantages", "one prober in each region and one outside is a good start", "there are none, so nothing would be measured")
	}
}

func (v validator) app(path string, a schemas.App, t schemas.Topology) {
	v.oneOf(path+".mode", a.Mode, "observe", "auto")
	v.source(path, a)
	names := unique{v, map[string]bool{}}
	for i, variant := range a.Variants {
		names.add(at(path+".variants", i)+".name", variant.Name)
	}
	if len(a.Variants) == 0 {
		v.failf(path+".variants", "", "an app has at least one variant")
	}
	v.endpoints(path, a, t)
	v.discover(path, a, t)
	v.databases(path, a)
	if _, ok := a.Endpoint(a.Start); !ok && v.whole(a) {
		v.failf(path+".start", "name a region and variant that has an endpoint", "%s has no endpoint", a.Start)
	}
	v.probe(path+".probe", a)
	v.objective(path+".objective", a.Objective)
	v.weights(path, a, t)
	v.enough(path, a)
	v.gates(path, a)
	v.limits(path, a)
	v.failover(path+".failover", a.Failover)
	names = unique{v, map[string]bool{}}
	for i, target := range a.Targets {
		names.add(at(path+".targets", i)+".name", target.Name)
		if target.Region != "" {
			v.region(at(path+".targets", i)+".region", target.Region, t)
		}
		v.target(at(path+".targets", i), target, a)
	}
	for i, rule := range a.Alerts {
		v.alert(at(path+".alerts", i), rule, t)
	}
}

func (v validator) source(path string, a schemas.App) {
	for i, w := range a.Source.Watch {
		p := at(path+".source.watch", i)
		v.url(p+".registry", w.Registry)
		v.text(p+".repository", w.Repository)
		if len(w.Tags) == 0 {
			v.failf(p+".tags", "list the tags that should start a build", "is empty")
		}
		if w.Registry == a.Images.Registry && w.Repository == a.Images.Repository {
			v.failf(p+".repository", "", "is where built images are pushed to: each build would start another")
		}
	}
	if a.Source.Git != (schemas.Git{}) {
		v.git(path+".source.git", a.Source.Git)
	}
	if !a.Built() {
		v.notBuilt(path, a)
		return
	}
	for _, p := range []string{a.Source.Context, a.Source.Dockerfile} {
		if p != "" && !filepath.IsLocal(p) {
			v.failf(path+".source", "paths are below the builder's build root, or inside the git repository", "%q leads out of it", p)
		}
	}
	v.url(path+".images.registry", a.Images.Registry)
	v.text(path+".images.repository", a.Images.Repository)
}

// notBuilt finds what only an app that is built has.
func (v validator) notBuilt(path string, a schemas.App) {
	const hint = "give source.context, or leave out source, images and every target: then Leeward does not build the app"
	given := func(field string, is bool) {
		if is {
			v.failf(path+field, hint, "is given, but source.context, what to build, is missing")
		}
	}
	given(".source.watch", len(a.Source.Watch) > 0)
	given(".source.dockerfile", a.Source.Dockerfile != "")
	given(".source.args", len(a.Source.Args) > 0)
	given(".images", a.Images != schemas.Images{})
	for i, variant := range a.Variants {
		given(at(".variants", i)+".target", variant.Target != "")
		given(at(".variants", i)+".args", len(variant.Args) > 0)
	}
}

func (v validator) git(path string, g schemas.Git) {
	v.url(path+".repository", g.Repository)
	if !branchName.MatchString(g.Branch) || strings.HasPrefix(g.Branch, "refs/") {
		v.failf(path+".branch", "as main, without refs/heads/", "%q is not a branch", g.Branch)
	}
	if g.Token != "" {
		v.reference(path+".token", g.Token)
	}
}

// branchName is narrower than what git allows: nothing that means something to a shell, an address or git itself.
var branchName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._/-]*$`)

func (v validator) endpoints(path string, a schemas.App, t schemas.Topology) {
	seen := map[schemas.Candidate]bool{}
	for i, e := range a.Endpoints {
		p := at(path+".endpoints", i)
		v.region(p+".region", e.Region, t)
		if !slices.ContainsFunc(a.Variants, func(x schemas.Variant) bool { return x.Name == e.Variant }) {
			v.failf(p+".variant", "", "%q is not a variant of %s", e.Variant, a.Name)
		}
		if seen[e.Candidate()] {
			v.failf(p, "", "%s stands twice", e.Candidate())
		}
		seen[e.Candidate()] = true
		v.addresses(p, e)
		if e.Database != "" {
			v.reference(p+".database", e.Database)
		}
	}
}

// databases checks that the lag behind the primary can be measured wherever it is limited.
func (v validator) databases(path string, a schemas.App) {
	if a.PrimaryDatabase != "" {
		v.reference(path+".primary_database", a.PrimaryDatabase)
	}
	rpo := a.Gates.RPO
	for i, e := range a.Endpoints {
		p := at(path+".endpoints", i) + ".database"
		switch region := a.Database(e.Region); {
		case region == "" && rpo != 0:
			v.failf(p, "as env:NAME or file:/path; its lag is what gates.rpo limits", "is missing: no endpoint of %s names the region's database", e.Region)
		case e.Database != "" && e.Database != region:
			v.failf(p, "the endpoints of a region share one database", "is not the database that another endpoint of %s names", e.Region)
		}
	}
	if rpo == 0 {
		return
	}
	if a.PrimaryDatabase == "" {
		v.failf(path+".gates.rpo", "name the app's primary_database, or leave rpo out", "there is no primary database to be behind")
	}
	if least := 2 * a.Probe.Interval; rpo < least {
		v.failf(path+".gates.rpo", "the lag is measured by heartbeats, one each probe.interval", "%s is shorter than two probe intervals, %s", rpo, least)
	}
}

func (v validator) objective(path string, o schemas.Objective) {
	v.oneOf(path+".kind", o.Kind, "icmp", "tcp", "http")
	if o.Quantile <= 0 || o.Quantile >= 1 {
		v.failf(path+".quantile", "as 0.95", "%g is not between 0 and 1", o.Quantile)
	}
	if o.Window.D() < 10*time.Second || o.Window.D() > longestWindow {
		v.failf(path+".window", "from 10s to 24h", "%s is out of range", o.Window)
	}
	if least := 3 * o.Block(); o.HalfLife != 0 && (o.HalfLife.D() < least || o.HalfLife > o.Window) {
		v.failf(path+".half_life", fmt.Sprintf("from %s to the window's %s, or leave it out", least, o.Window), "%s is out of range", o.HalfLife)
	}
	if o.MaxLatency < 0 {
		v.failf(path+".max_latency", "as 250ms, or leave it out", "is negative")
	}
	v.share(path+".writes_per_request", o.WritesPerRequest)
}

func (v validator) failover(path string, f schemas.Failover) {
	if f.Quorum <= 0 || f.Quorum > 1 {
		v.failf(path+".quorum", "as 0.5 for half of the sighted vantages", "%g is not a share", f.Quorum)
	}
	if f.MinVantages < 1 {
		v.failf(path+".min_vantages", "", "is less than 1")
	}
	for i, share := range f.Shift {
		if share < 1 || share > 100 || (i > 0 && share <= f.Shift[i-1]) {
			v.failf(path+".shift", "as [1, 5, 25, 50, 100]", "shares grow from 1 to 100")
			break
		}
	}
	if f.Shift[len(f.Shift)-1] != 100 {
		v.failf(path+".shift", "as [1, 5, 25, 50, 100]", "does not end at 100")
	}
	v.url(path+".verify.url", f.Verify.URL)
}

func (v validator) target(path string, target schemas.Target, a schemas.App) {
	h := target.HAProxy
	if h == nil {
		v.failf(path, "the kinds are: haproxy", "has no kind")
		return
	}
	v.text(path+".haproxy.backend", h.Backend)
	if !filepath.IsAbs(h.Socket) {
		v.failf(path+".haproxy.socket", "the absolute path of HAProxy's stats socket", "%q is not an absolute path", h.Socket)
	}
	for _, e := range a.Endpoints {
		if !slices.ContainsFunc(h.Servers, func(s schemas.HAProxyServer) bool { return s.Region == e.Region && s.Variant == e.Variant }) {
			v.failf(path+".haproxy.servers", "traffic could not be moved there", "no server stands for %s", e.Candidate())
		}
	}
	for i, s := range h.Servers {
		p := at(path+".haproxy.servers", i)
		if _, ok := a.Endpoint(schemas.Candidate{Region: s.Region, Variant: s.Variant}); !ok && len(a.Discover) == 0 {
			v.failf(p, "", "%s/%s has no endpoint", s.Region, s.Variant)
		}
		if !serverName.MatchString(s.Server) {
			v.failf(p+".server", "letters, digits, dot, dash, underscore", "%q is not a server name", s.Server)
		}
	}
	if !serverName.MatchString(h.Backend) {
		v.failf(path+".haproxy.backend", "letters, digits, dot, dash, underscore", "%q is not a backend name", h.Backend)
	}
}

var serverName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

func (v validator) alert(path string, rule schemas.AlertRule, t schemas.Topology) {
	if len(rule.Match) == 0 {
		v.failf(path+".match", "as {alertname: RegionDown}", "is empty: it would claim every alert")
	}
	if (rule.Region == "") == (rule.RegionLabel == "") {
		v.failf(path, "", "needs either region or region_label")
	}
	if rule.Region != "" {
		v.region(path+".region", rule.Region, t)
	}
}

func (v validator) region(path, name string, t schemas.Topology) {
	if _, ok := t.Region(name); !ok {
		var known []string
		for _, r := range t.Regions {
			known = append(known, r.Name)
		}
		v.failf(path, "the regions are "+strings.Join(known, ", "), "%q is not a region", name)
	}
}

func (v validator) text(path, value string) {
	if value == "" {
		v.failf(path, "", "is missing")
	}
}

func (v validator) oneOf(path, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		v.failf(path, "one of "+strings.Join(allowed, ", "), "%q is not known", value)
	}
}

func (v validator) hostPort(path, value string) {
	if err := address.HostPort(value); err != nil {
		v.failf(path, "as 10.0.0.1:5432", "%v", err)
	}
}

func (v validator) url(path, value string) {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		v.failf(path, "as https://registry.example.com", "%q is not an http or https address", value)
		return
	}
	if u.User != nil {
		v.failf(path, "give credentials by reference", "holds a secret")
	}
}

func (v validator) reference(path, value string) {
	if kind, rest, ok := strings.Cut(value, ":"); !ok || rest == "" || (kind != "env" && kind != "file") {
		v.failf(path, "write env:NAME or file:/path, and keep the value out of this file", "holds a literal secret, not a reference")
	}
}

// unique collects names that must be well formed and different.
type unique struct {
	v    validator
	seen map[string]bool
}

func (u unique) add(path, name string) {
	switch {
	case !schemas.ValidName(name):
		u.v.failf(path, "lower-case letters, digits and inner hyphens, at most 63", "%q is not a name", name)
	case u.seen[name]:
		u.v.failf(path, "", "the name %q stands twice", name)
	}
	u.seen[name] = true
}

func at(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

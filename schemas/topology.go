package schemas

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// Topology is the content of leeward.yaml: what runs where, how it is measured, judged and moved. Secrets are references (env:NAME, file:PATH), never values.
type Topology struct {
	// Version is the version of the file's format: 1.
	Version int `json:"version" yaml:"version"`
	// Regions are the failure domains an app can run in, two or more.
	Regions []Region `json:"regions" yaml:"regions"`
	// Vantages are the places measurements are taken from, one prober each.
	Vantages []Vantage `json:"vantages" yaml:"vantages"`
	// Apps are the workloads that are measured and moved.
	Apps []App `json:"apps" yaml:"apps"`
}

// Region is a failure domain with its own registry, endpoints, location and jurisdiction.
type Region struct {
	// Name is lower-case letters, digits and inner hyphens.
	Name string `json:"name" yaml:"name"`
	// Location is where the region is; distances between regions come from it.
	Location Location `json:"location" yaml:"location"`
	// Jurisdiction is the law the region's data is under, as the user names it (DE, EU, US).
	Jurisdiction string `json:"jurisdiction" yaml:"jurisdiction"`
	// Registry is the base URL of the region's own registry; http:// for one without TLS. It may be left out when Leeward builds no app.
	Registry string `json:"registry" yaml:"registry"`
	// Labels are what else is to be known of the region, such as its provider: custom gates may look at them.
	Labels map[string]string `json:"labels,omitempty" yaml:"labels,omitempty"`
}

// Location is a point on the globe, in degrees.
type Location struct {
	// Latitude is from -90 to 90, north positive.
	Latitude float64 `json:"latitude" yaml:"latitude"`
	// Longitude is from -180 to 180, east positive.
	Longitude float64 `json:"longitude" yaml:"longitude"`
}

// Vantage is a place measurements are taken from; it belongs to at most one region.
type Vantage struct {
	// Name is also the prober's name on the bus.
	Name string `json:"name" yaml:"name"`
	// Region is the region the vantage is in; leave it out for a vantage outside all of them.
	Region string `json:"region,omitempty" yaml:"region,omitempty"`
	// Anchors are host:port addresses outside every app; a vantage that reaches fewer than half of them is blind.
	Anchors []string `json:"anchors" yaml:"anchors"`
	// Weight is the share of clients near this vantage. What it is for an app is the app's objective.weights.
	Weight float64 `json:"weight,omitempty" yaml:"weight,omitempty"`
}

// App is a workload that runs in several regions.
type App struct {
	// Name is lower-case letters, digits and inner hyphens.
	Name string `json:"name" yaml:"name"`
	// Team is who owns the app: a label.
	Team string `json:"team,omitempty" yaml:"team,omitempty"`
	// Mode is observe (decide and record, move nothing) or auto (move).
	Mode string `json:"mode" yaml:"mode"`
	// Start is where traffic is when Leeward first sees the app.
	Start Candidate `json:"start" yaml:"start"`
	// Source is what the app is built from. For an app that Leeward does not build, leave out source, images and every variant's target.
	Source Source `json:"source" yaml:"source"`
	// Images is where built images are pushed first.
	Images Images `json:"images" yaml:"images"`
	// Variants are the ways to build the app, one or more.
	Variants []Variant `json:"variants" yaml:"variants"`
	// PrimaryDatabase is a reference (env: or file:) to the URL of the database that all regions of the app write to, read by the probers: postgres://,
	// mysql:// or mariadb://, redis:// or rediss://. Leave it out for an app whose regions write to the database they read. The probers write heartbeats
	// there, with a role that leeward db prepare makes.
	PrimaryDatabase string `json:"primary_database,omitempty" yaml:"primary_database,omitempty"`
	// Endpoints are where the app can be reached.
	Endpoints []Endpoint `json:"endpoints" yaml:"endpoints"`
	// Probe is how often the app is measured.
	Probe Probe `json:"probe" yaml:"probe"`
	// Objective is what the ranking minimises.
	Objective Objective `json:"objective" yaml:"objective"`
	// Gates are the conditions a candidate must pass.
	Gates Gates `json:"gates" yaml:"gates"`
	// Failover is when and how traffic is moved.
	Failover Failover `json:"failover" yaml:"failover"`
	// Targets are what sends traffic to the app.
	Targets []Target `json:"targets" yaml:"targets"`
	// Alerts maps alerts to the app's regions.
	Alerts []AlertRule `json:"alerts,omitempty" yaml:"alerts,omitempty"`
	// Discover are places outside this file that name more endpoints. What endpoints says itself comes first.
	Discover []Discovery `json:"discover,omitempty" yaml:"discover,omitempty"`
}

// Source is what the app is built from and what starts a build.
type Source struct {
	// Watch are the repositories whose pushes start a build.
	Watch []Watch `json:"watch" yaml:"watch"`
	// Git is the repository and branch that is built, and whose pushes start a build; leave it out to build from a folder of the builder's.
	Git Git `json:"git,omitzero" yaml:"git,omitempty"`
	// Context is the build context: a folder below the builder's build root, or with git a folder of the repository.
	Context string `json:"context" yaml:"context"`
	// Dockerfile is its path inside the context.
	Dockerfile string `json:"dockerfile,omitempty" yaml:"dockerfile,omitempty"`
	// Args are the build arguments of every variant.
	Args map[string]string `json:"args,omitempty" yaml:"args,omitempty"`
}

// Git is a branch of a git repository. Every build is of the commit the branch is at when the build begins.
type Git struct {
	// Repository is its address, https:// or http://, as a push webhook's clone_url has it.
	Repository string `json:"repository" yaml:"repository"`
	// Branch is the branch that is built, without refs/heads/.
	Branch string `json:"branch" yaml:"branch"`
	// Token is a reference (env: or file:) to the token of a private repository, as the gateway and the builder resolve it.
	Token string `json:"token,omitempty" yaml:"token,omitempty"`
}

// Watch is a repository and the tags of it that matter.
type Watch struct {
	// Registry is the base URL of the registry.
	Registry string `json:"registry" yaml:"registry"`
	// Repository is the name of the image without the registry.
	Repository string `json:"repository" yaml:"repository"`
	// Tags are the tags whose pushes start a build; others are ignored.
	Tags []string `json:"tags" yaml:"tags"`
}

// Images is where built images are pushed first, and the name they have in every registry.
type Images struct {
	// Registry is the base URL of the app's home registry.
	Registry string `json:"registry" yaml:"registry"`
	// Repository is the name of the app's images in every registry.
	Repository string `json:"repository" yaml:"repository"`
}

// Variant is one way to build the app.
type Variant struct {
	// Name is lower-case letters, digits and inner hyphens.
	Name string `json:"name" yaml:"name"`
	// Target is the stage of the Dockerfile to build.
	Target string `json:"target" yaml:"target"`
	// Args are build arguments on top of the source's.
	Args map[string]string `json:"args,omitempty" yaml:"args,omitempty"`
}

// Endpoint is where a candidate of the app can be reached, by kind of probe. Kinds left out are not measured.
type Endpoint struct {
	// Region is the region the endpoint is in.
	Region string `json:"region" yaml:"region"`
	// Variant is the variant that runs there.
	Variant string `json:"variant" yaml:"variant"`
	// ICMP is a host to ping.
	ICMP string `json:"icmp,omitempty" yaml:"icmp,omitempty"`
	// TCP is a host:port to connect to.
	TCP string `json:"tcp,omitempty" yaml:"tcp,omitempty"`
	// TLS is a host:port to make a TLS handshake with; the certificate must be for the host and trusted by the prober's machine.
	TLS string `json:"tls,omitempty" yaml:"tls,omitempty"`
	// HTTP is a URL to get; a status from 200 to 399 is success, unless probe.http says otherwise.
	HTTP string `json:"http,omitempty" yaml:"http,omitempty"`
	// DNS is a question to a name server, as RFC 4501 writes it: dns://10.0.0.53/shop.example?type=A. The answer must hold a record of the type.
	DNS string `json:"dns,omitempty" yaml:"dns,omitempty"`
	// GRPC is a service to ask about with the gRPC health protocol: grpc://host:port/service, or grpcs:// with TLS; without a service it is the whole server.
	GRPC string `json:"grpc,omitempty" yaml:"grpc,omitempty"`
	// Exec is a check of your own with its arguments, split at spaces: the name of a program in the folder LEEWARD_PROBE_CHECKS of the prober's machine.
	Exec string `json:"exec,omitempty" yaml:"exec,omitempty"`
	// Database is a reference (env: or file:) to the URL of the region's own database, where its app reads; all endpoints of a region share it.
	Database string `json:"database,omitempty" yaml:"database,omitempty"`
	// Found is the name of the entry of discover that found the endpoint; the file itself can not say it.
	Found string `json:"found,omitempty" yaml:"-" jsonschema:"-"`
	// Capacity is how many requests per second the candidate can serve; gates.headroom compares it with the app's load.
	Capacity float64 `json:"capacity,omitempty" yaml:"capacity,omitempty"`
}

// Probe is how often an app is measured and when its health changes.
type Probe struct {
	// Interval is the time between two rounds, 100ms or more.
	Interval Duration `json:"interval" yaml:"interval"`
	// Timeout is when a measurement is given up; it is then a sample that says so.
	Timeout Duration `json:"timeout" yaml:"timeout"`
	// DownAfter is how many rounds in a row must fail until the vantage judges a region down.
	DownAfter int `json:"down_after" yaml:"down_after"`
	// UpAfter is how many rounds in a row must succeed until the vantage judges it up again.
	UpAfter int `json:"up_after" yaml:"up_after"`
	// Also are more ways to measure what the endpoints name anyway: http_kept (the request on a connection that is open already), tls and tls_resumed (the handshake
	// with an https address, or with tls, from nothing and with the ticket of an earlier one), registry (the app's image in the region's registry), db_fresh (a read from the region's database by a client that has no connection yet).
	Also []string `json:"also,omitempty" yaml:"also,omitempty"`
	// HTTP is how the app is asked over HTTP, and what the answer must be like to be a success.
	HTTP *HTTPCheck `json:"http,omitempty" yaml:"http,omitempty"`
}

// HTTPCheck is how an endpoint is asked over HTTP, and what the answer must be like to be a success. Host and certificate_days hold for tls and grpcs too.
type HTTPCheck struct {
	// Status are the statuses that are well, in place of 200 to 399.
	Status []int `json:"status,omitempty" yaml:"status,omitempty"`
	// Header are names of headers with regular expressions that a value of each must match.
	Header map[string]string `json:"header,omitempty" yaml:"header,omitempty"`
	// Body is a regular expression that the first MiB of the body must match.
	Body string `json:"body,omitempty" yaml:"body,omitempty"`
	// Host is the host that is asked for over HTTP, TLS and gRPC, and that a certificate must be for, in place of the address's own.
	Host string `json:"host,omitempty" yaml:"host,omitempty"`
	// Version is 1.1 or 2; without TLS, 2 is spoken from the first byte.
	Version string `json:"version,omitempty" yaml:"version,omitempty"`
	// Redirects is how many redirects are followed, at most 10; the phases of a sample are then the sums over all requests. Without it the redirect is the answer.
	Redirects int `json:"redirects,omitempty" yaml:"redirects,omitempty"`
	// CertificateDays fails what speaks TLS when its certificate ends within so many days.
	CertificateDays int `json:"certificate_days,omitempty" yaml:"certificate_days,omitempty"`
}

// Objective is what the ranking minimises.
type Objective struct {
	// Kind is the kind of sample that stands for a request: icmp, tcp or http.
	Kind string `json:"kind" yaml:"kind"`
	// Quantile is the quantile of the latency that counts, between 0 and 1.
	Quantile float64 `json:"quantile" yaml:"quantile"`
	// MaxLatency is what the quantile should stay within. A region whose latest answers are clearly beyond it, failures included, is judged degraded; without it only a variant that fails degrades a region.
	MaxLatency Duration `json:"max_latency,omitempty" yaml:"max_latency,omitempty"`
	// Window is how far back samples count. It must hold as many probe intervals as the quantile needs samples, 5 / (1 - quantile): 100 for 0.95.
	Window Duration `json:"window" yaml:"window"`
	// HalfLife is after how long samples count half, so that what is older than a few of them hardly counts: from three of the blocks that the window is counted in
	// (a twelfth of it, from 10s to 1m each) to the whole. Without it all samples of the window count alike.
	HalfLife Duration `json:"half_life,omitempty" yaml:"half_life,omitempty"`
	// WritesPerRequest is how many database writes a request costs; the quantile of a write from the candidate's own region to the primary database is added that many times.
	WritesPerRequest float64 `json:"writes_per_request" yaml:"writes_per_request"`
	// Weights says how much each vantage counts: given (by its weight), equal, or observed (by the requests that came of late through the targets of its region).
	// Without it they are given where any vantage has a weight, else equal.
	Weights string `json:"weights,omitempty" yaml:"weights,omitempty"`
}

// The ways vantages are weighed.
const (
	GivenWeights    = "given"
	EqualWeights    = "equal"
	ObservedWeights = "observed"
)

// Block is the length of the blocks that the window is counted in: a twelfth of it, from ten seconds to a minute. A very short window still has four and a long one no
// more than sixty, which bounds the size of what a ranking stores.
func (o Objective) Block() time.Duration {
	window := o.Window.D()
	length := min(max(window/12, 10*time.Second), time.Minute)
	return max(min(length, window/4), window/60)
}

// Gates are the conditions a candidate must pass; zero leaves a gate out.
type Gates struct {
	// MinDistanceKM is how far a candidate must be from the active region.
	MinDistanceKM float64 `json:"min_distance_km,omitempty" yaml:"min_distance_km,omitempty"`
	// MaxRTT is the longest round trip from the active region's vantages to a candidate.
	MaxRTT Duration `json:"max_rtt,omitempty" yaml:"max_rtt,omitempty"`
	// Jurisdictions are the ones a candidate's region may be under.
	Jurisdictions []string `json:"jurisdictions,omitempty" yaml:"jurisdictions,omitempty"`
	// MinSamples is how many samples of a candidate the window must hold.
	MinSamples int `json:"min_samples,omitempty" yaml:"min_samples,omitempty"`
	// MaxAge is how old the newest sample may be.
	MaxAge Duration `json:"max_age,omitempty" yaml:"max_age,omitempty"`
	// RPO (recovery point objective) is how far a candidate's database may be behind the last write that the primary database acknowledged; at least two probe intervals,
	// since heartbeats are written once in each.
	RPO Duration `json:"rpo,omitempty" yaml:"rpo,omitempty"`
	// MaxRTO is how long a candidate may take until it serves once traffic is to go there (recovery time objective): nothing for one that answers, else what the
	// benchmarks of its image say.
	MaxRTO Duration `json:"max_rto,omitempty" yaml:"max_rto,omitempty"`
	// Headroom is how many times the app's load a candidate's capacity must be, as 1.2. The load is what the app's targets are asked for, counted by
	// themselves: the highest ten seconds of the last five minutes.
	Headroom float64 `json:"headroom,omitempty" yaml:"headroom,omitempty"`
	// Custom are gates of your own.
	Custom []CustomGate `json:"custom,omitempty" yaml:"custom,omitempty"`
}

// CustomGate is a condition of your own, written in CEL (https://cel.dev). docs/reference/gates.md lists what it may look at.
type CustomGate struct {
	// Name is lower-case letters, digits and inner hyphens; the gate is shown as custom:<name>.
	Name string `json:"name" yaml:"name"`
	// Expr is true for a candidate that may be chosen: candidate.cost_ms < 200.0 && region.jurisdiction in ['DE', 'GB'].
	Expr string `json:"expr" yaml:"expr"`
	// Why is shown where a candidate fails the gate.
	Why string `json:"why,omitempty" yaml:"why,omitempty"`
}

// Failover is when and how traffic is moved.
type Failover struct {
	// Verdicts lets the vantages' own verdicts start a failover; without it only alerts and requests do.
	Verdicts bool `json:"verdicts" yaml:"verdicts"`
	// Quorum is the share of sighted vantages that must judge a region down.
	Quorum float64 `json:"quorum" yaml:"quorum"`
	// MinVantages is the fewest sighted vantages a quorum needs.
	MinVantages int `json:"min_vantages" yaml:"min_vantages"`
	// MaxRankingAge is how old a ranking may be and still be acted on.
	MaxRankingAge Duration `json:"max_ranking_age" yaml:"max_ranking_age"`
	// CoolDown is the time after a successful automatic failover in which no other starts by itself.
	CoolDown Duration `json:"cool_down" yaml:"cool_down"`
	// Shift are the shares of traffic, in percent, through which a move from a region that still answers goes; a dead region is left at once.
	Shift []int `json:"shift,omitempty" yaml:"shift,omitempty"`
	// Bake is how long each share is watched before the next.
	Bake Duration `json:"bake,omitempty" yaml:"bake,omitempty"`
	// Verify is the outside request that proves a move.
	Verify Verify `json:"verify" yaml:"verify"`
}

// Verify is the outside request that proves a move: its answer carries the instance that served it in a header, region/variant/id.
type Verify struct {
	// URL is requested through the entry point.
	URL string `json:"url" yaml:"url"`
	// Header is the name of the header that carries the instance.
	Header string `json:"header" yaml:"header"`
	// Timeout is how long the new instance may take to show; then the move is rolled back.
	Timeout Duration `json:"timeout" yaml:"timeout"`
}

// Target is something that sends traffic to candidates.
type Target struct {
	// Name tells the app's targets apart.
	Name string `json:"name" yaml:"name"`
	// Region is the region whose clients come through the target: objective.weights observed counts them. Leave it out for a target that clients of everywhere come through.
	Region string `json:"region,omitempty" yaml:"region,omitempty"`
	// HAProxy makes the target a backend of an HAProxy.
	HAProxy *HAProxyTarget `json:"haproxy,omitempty" yaml:"haproxy,omitempty"`
}

// HAProxyTarget is a backend of an HAProxy, changed through its runtime socket.
type HAProxyTarget struct {
	// Socket is the path of the runtime socket, as the actuator sees it.
	Socket string `json:"socket" yaml:"socket"`
	// Backend is the name of the backend.
	Backend string `json:"backend" yaml:"backend"`
	// Servers names a server of the backend for every endpoint.
	Servers []HAProxyServer `json:"servers" yaml:"servers"`
}

// HAProxyServer is the server of the backend that stands for a candidate.
type HAProxyServer struct {
	// Region is the candidate's region.
	Region string `json:"region" yaml:"region"`
	// Variant is the candidate's variant.
	Variant string `json:"variant" yaml:"variant"`
	// Server is the server's name in the backend.
	Server string `json:"server" yaml:"server"`
}

// AlertRule maps alerts whose labels match to one of the app's regions.
type AlertRule struct {
	// Match are labels and the values an alert must have for the rule to apply, all of them.
	Match map[string]string `json:"match" yaml:"match"`
	// Region is the region the alert is about.
	Region string `json:"region,omitempty" yaml:"region,omitempty"`
	// RegionLabel takes the region from this label instead.
	RegionLabel string `json:"region_label,omitempty" yaml:"region_label,omitempty"`
}

// Duration is a time.Duration written as in Go: 800ms, 1s, 10m.
type Duration time.Duration

// D returns the time.Duration.
func (d Duration) D() time.Duration { return time.Duration(d) }

// String writes the duration as Go does.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes the duration as Go does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a duration as Go does.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration such as 800ms, 1s or 10m", text)
	}
	*d = Duration(v)
	return nil
}

// Hash is the content hash that services switch at and carry in what they publish.
func (t Topology) Hash() string {
	data, err := json.Marshal(t)
	if err != nil {
		panic("a topology is always encodable: " + err.Error())
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// App returns the app of that name.
func (t Topology) App(name string) (App, bool) {
	i := slices.IndexFunc(t.Apps, func(a App) bool { return a.Name == name })
	if i < 0 {
		return App{}, false
	}
	return t.Apps[i], true
}

// Region returns the region of that name.
func (t Topology) Region(name string) (Region, bool) {
	i := slices.IndexFunc(t.Regions, func(r Region) bool { return r.Name == name })
	if i < 0 {
		return Region{}, false
	}
	return t.Regions[i], true
}

// Vantage returns the vantage of that name.
func (t Topology) Vantage(name string) (Vantage, bool) {
	i := slices.IndexFunc(t.Vantages, func(v Vantage) bool { return v.Name == name })
	if i < 0 {
		return Vantage{}, false
	}
	return t.Vantages[i], true
}

// Endpoint returns where a candidate can be reached.
func (a App) Endpoint(c Candidate) (Endpoint, bool) {
	i := slices.IndexFunc(a.Endpoints, func(e Endpoint) bool { return e.Candidate() == c })
	if i < 0 {
		return Endpoint{}, false
	}
	return a.Endpoints[i], true
}

// Built says whether Leeward builds the app. One that it does not build has no digest to look for.
func (a App) Built() bool { return a.Source.Context != "" }

// Candidate is the endpoint's region and variant.
func (e Endpoint) Candidate() Candidate { return Candidate{e.Region, e.Variant} }

// Regions lists the regions the app has an endpoint in, in the order of the file, each once.
func (a App) Regions() []string {
	var names []string
	for _, e := range a.Endpoints {
		if !slices.Contains(names, e.Region) {
			names = append(names, e.Region)
		}
	}
	return names
}

// Database is the reference to a region's own database, empty when none is named.
func (a App) Database(region string) string {
	for _, e := range a.Endpoints {
		if e.Region == region && e.Database != "" {
			return e.Database
		}
	}
	return ""
}

// Candidates lists every region of the topology with every variant of the app, running or not.
func (a App) Candidates(t Topology) []Candidate {
	var all []Candidate
	for _, r := range t.Regions {
		for _, v := range a.Variants {
			all = append(all, Candidate{r.Name, v.Name})
		}
	}
	return all
}

// DistanceKM is the great-circle distance on a sphere of the earth's mean radius (the haversine formula).
func (l Location) DistanceKM(o Location) float64 {
	const radius, degree = 6371.0088, math.Pi / 180
	dLat, dLon := (o.Latitude-l.Latitude)*degree, (o.Longitude-l.Longitude)*degree
	h := math.Pow(math.Sin(dLat/2), 2) + math.Cos(l.Latitude*degree)*math.Cos(o.Latitude*degree)*math.Pow(math.Sin(dLon/2), 2)
	return 2 * radius * math.Asin(math.Sqrt(h))
}

// TopologyPart is what one key of the topology bucket holds: a region, a vantage, an app, or the index that names them all.
type TopologyPart struct {
	// Topology is the hash of the topology that a region, vantage or app is part of. It is part of the key too, so that a topology is never
	// written over the parts of another: whoever reads while one is being applied, or after an apply that was cut short, reads the old one.
	Topology string         `json:"topology,omitempty"`
	Region   *Region        `json:"region,omitempty"`
	Vantage  *Vantage       `json:"vantage,omitempty"`
	App      *App           `json:"app,omitempty"`
	Current  *TopologyIndex `json:"current,omitempty"`
}

// TopologyIndex is the key "current": the hash services switch at and the parts it is made of, in order.
type TopologyIndex struct {
	Hash     string    `json:"hash"`
	Version  int       `json:"version"`
	Regions  []string  `json:"regions"`
	Vantages []string  `json:"vantages"`
	Apps     []string  `json:"apps"`
	Actor    string    `json:"actor"`
	At       time.Time `json:"at"`
}

// CurrentKey is the key of the topology's index.
const CurrentKey = "current"

// Validate says whether the part is exactly one thing.
func (p TopologyPart) Validate() error {
	n := 0
	for _, set := range []bool{p.Region != nil, p.Vantage != nil, p.App != nil, p.Current != nil} {
		if set {
			n++
		}
	}
	if n != 1 {
		return errors.New("a part of the topology is one region, vantage, app or index")
	}
	if (p.Topology == "") != (p.Current != nil) {
		return errors.New("a part of the topology names the topology it belongs to, and the index none")
	}
	return nil
}

// Key is the kind, the name and the topology of the part.
func (p TopologyPart) Key() []string {
	switch {
	case p.Region != nil:
		return []string{"region", p.Region.Name, p.Topology}
	case p.Vantage != nil:
		return []string{"vantage", p.Vantage.Name, p.Topology}
	case p.App != nil:
		return []string{"app", p.App.Name, p.Topology}
	default:
		return []string{CurrentKey}
	}
}

// Parts takes the topology apart, the index last: whoever sees the index can read the rest.
func (t Topology) Parts(actor string, at time.Time) []TopologyPart {
	index := TopologyIndex{Hash: t.Hash(), Version: t.Version, Actor: actor, At: at}
	var parts []TopologyPart
	for _, r := range t.Regions {
		index.Regions = append(index.Regions, r.Name)
		parts = append(parts, TopologyPart{Topology: index.Hash, Region: &r})
	}
	for _, v := range t.Vantages {
		index.Vantages = append(index.Vantages, v.Name)
		parts = append(parts, TopologyPart{Topology: index.Hash, Vantage: &v})
	}
	for _, a := range t.Apps {
		index.Apps = append(index.Apps, a.Name)
		parts = append(parts, TopologyPart{Topology: index.Hash, App: &a})
	}
	return append(parts, TopologyPart{Current: &index})
}

// Assemble puts a topology together from the parts its index names; ErrTorn when there is no index, or the parts are not the ones it was written for.
func Assemble(parts map[string]TopologyPart) (Topology, error) {
	current, ok := parts[CurrentKey]
	if !ok || current.Current == nil {
		return Topology{}, ErrTorn
	}
	index := current.Current
	t := Topology{Version: index.Version}
	for _, name := range index.Regions {
		if p := parts[KeyOf("region", name, index.Hash)]; p.Region != nil {
			t.Regions = append(t.Regions, *p.Region)
		}
	}
	for _, name := range index.Vantages {
		if p := parts[KeyOf("vantage", name, index.Hash)]; p.Vantage != nil {
			t.Vantages = append(t.Vantages, *p.Vantage)
		}
	}
	for _, name := range index.Apps {
		if p := parts[KeyOf("app", name, index.Hash)]; p.App != nil {
			t.Apps = append(t.Apps, *p.App)
		}
	}
	if t.Hash() != index.Hash {
		return Topology{}, ErrTorn
	}
	return t, nil
}

// ErrTorn says that there is no topology, or that its parts do not add up to the hash its index names; applying one heals it.
var ErrTorn = errors.New("the topology's parts do not match its index")

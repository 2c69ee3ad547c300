package schemas

import (
	"errors"
	"fmt"
	"time"
)

// Discovery is a place that names endpoints of the app; the gateway reads it again and again. It has one kind: file, http, dns or kubernetes.
type Discovery struct {
	// Name tells the app's entries apart.
	Name string `json:"name" yaml:"name"`
	// Interval is the time between two looks, from 1s to 1h.
	Interval Duration `json:"interval" yaml:"interval"`
	// Keep is how long an endpoint stays that is no longer named while others are. Where the app starts and where its traffic is stay for good.
	Keep Duration `json:"keep" yaml:"keep"`
	// File is the path of a file of targets on the gateway's machine, JSON or YAML, as for Prometheus' file_sd: .json, .yml or .yaml.
	File string `json:"file,omitempty" yaml:"file,omitempty"`
	// HTTP is a web service that answers with targets.
	HTTP *HTTPDiscovery `json:"http,omitempty" yaml:"http,omitempty"`
	// DNS is a service that a name server knows.
	DNS *DNSDiscovery `json:"dns,omitempty" yaml:"dns,omitempty"`
	// Kubernetes is a service of a cluster.
	Kubernetes *KubernetesDiscovery `json:"kubernetes,omitempty" yaml:"kubernetes,omitempty"`
	// Endpoint says how what is found is measured, as an entry of endpoints does. In it {address} is what was found, {host} and {port} are its parts, {region} and {variant} where it runs.
	Endpoint DiscoveredEndpoint `json:"endpoint" yaml:"endpoint"`
}

// DiscoveredEndpoint is an endpoint with placeholders. Its database may hold {region} and {variant} only: what is found must not choose a secret.
type DiscoveredEndpoint struct {
	// Region is the region of everything found; left out, each target's label leeward_region says it.
	Region string `json:"region,omitempty" yaml:"region,omitempty"`
	// Variant is the variant of everything found; left out, each target's label leeward_variant says it, or the app has only one.
	Variant string `json:"variant,omitempty" yaml:"variant,omitempty"`
	// ICMP is a host to ping, as {host}.
	ICMP string `json:"icmp,omitempty" yaml:"icmp,omitempty"`
	// TCP is a host:port to connect to, as {address}.
	TCP string `json:"tcp,omitempty" yaml:"tcp,omitempty"`
	// TLS is a host:port to make a TLS handshake with.
	TLS string `json:"tls,omitempty" yaml:"tls,omitempty"`
	// HTTP is a URL to get, as http://{address}/healthz.
	HTTP string `json:"http,omitempty" yaml:"http,omitempty"`
	// DNS is a question to a name server, as dns://{host}/shop.example?type=A.
	DNS string `json:"dns,omitempty" yaml:"dns,omitempty"`
	// GRPC is a service to ask about, as grpc://{address}/shop.v1.Cart.
	GRPC string `json:"grpc,omitempty" yaml:"grpc,omitempty"`
	// Exec is a check of your own with its arguments, as orders {host} {port}.
	Exec string `json:"exec,omitempty" yaml:"exec,omitempty"`
	// Database is a reference to the URL of the region's own database, as file:/run/secrets/{region}-database.
	Database string `json:"database,omitempty" yaml:"database,omitempty"`
}

// HTTPDiscovery is a web service that answers with targets in JSON, as for Prometheus' http_sd.
type HTTPDiscovery struct {
	// URL is its address. It is asked without a proxy, and redirects are not followed.
	URL string `json:"url" yaml:"url"`
	// Token is a reference (env: or file:) to the bearer token it asks for, resolved by the gateway at each look.
	Token string `json:"token,omitempty" yaml:"token,omitempty"`
	// CA is the path of a file of certificates, on the gateway's machine, that its certificate must be signed by in place of the machine's own.
	CA string `json:"ca,omitempty" yaml:"ca,omitempty"`
}

// DNSDiscovery is a service that a name server knows. Of its SRV records those of the lowest priority count.
type DNSDiscovery struct {
	// SRV is the name of the records, as _https._tcp.shop.example.
	SRV string `json:"srv" yaml:"srv"`
	// Server is the name server's host:port; without it the gateway's machine asks its own.
	Server string `json:"server,omitempty" yaml:"server,omitempty"`
}

// KubernetesDiscovery is a service of a cluster. Its ready endpoints are read from its EndpointSlices, whose labels are the service's.
type KubernetesDiscovery struct {
	// URL is the address of the cluster's API server; left out, it is that of the cluster the gateway runs in, and so are token and ca.
	URL string `json:"url" yaml:"url"`
	// Token is a reference (env: or file:) to the bearer token of an account that may list endpointslices, resolved by the gateway at each look.
	Token string `json:"token" yaml:"token"`
	// CA is the path of a file of certificates, on the gateway's machine, that the API server's must be signed by in place of the machine's own.
	CA string `json:"ca,omitempty" yaml:"ca,omitempty"`
	// Namespace is the service's.
	Namespace string `json:"namespace" yaml:"namespace"`
	// Service is its name.
	Service string `json:"service" yaml:"service"`
	// Port is the name or the number of the port; it may be left out when there is only one.
	Port string `json:"port,omitempty" yaml:"port,omitempty"`
}

// Declared is the topology without what was discovered: what leeward.yaml says.
func (t Topology) Declared() Topology {
	apps := make([]App, len(t.Apps))
	for i, a := range t.Apps {
		a.Endpoints = a.declared()
		apps[i] = a
	}
	t.Apps = apps
	return t
}

func (a App) declared() []Endpoint {
	var own []Endpoint
	for _, e := range a.Endpoints {
		if e.Found == "" {
			own = append(own, e)
		}
	}
	return own
}

// FoundBy lists the endpoints that an entry of discover found.
func (a App) FoundBy(discovery string) []Endpoint {
	var found []Endpoint
	for _, e := range a.Endpoints {
		if e.Found != "" && e.Found == discovery {
			found = append(found, e)
		}
	}
	return found
}

// DiscoveryState is what came of the latest look at an entry of discover.
type DiscoveryState struct {
	App  string `json:"app"`
	Name string `json:"name"`
	// Place is what was read, as file /etc/leeward/targets.json.
	Place string `json:"place"`
	// Gateway is who looked.
	Gateway string `json:"gateway"`
	// Topology is the topology whose entry was read.
	Topology string `json:"topology"`
	// ReadAt is when an answer could last be used; zero for never.
	ReadAt time.Time `json:"read_at,omitzero"`
	// Trouble is why the latest answer could not be used, empty when it could.
	Trouble string `json:"trouble,omitempty"`
	// Targets is how many addresses the last answer that could be used named.
	Targets int `json:"targets"`
	// Endpoints are the candidates that are measured because of the entry.
	Endpoints []Candidate `json:"endpoints"`
	// Kept are those of them that the answer no longer names.
	Kept []Candidate `json:"kept,omitempty"`
	// Refused is how many entries of the answer were refused, Reasons the first of them with their places and why.
	Refused int       `json:"refused"`
	Reasons []string  `json:"reasons,omitempty"`
	At      time.Time `json:"at"`
}

// Key is the app and the entry's name.
func (s DiscoveryState) Key() []string { return []string{s.App, s.Name} }

// Validate says whether the state is well formed.
func (s DiscoveryState) Validate() error {
	if !ValidName(s.App) || !ValidName(s.Name) {
		return fmt.Errorf("a state of discovery names its app and its entry, not %q and %q", s.App, s.Name)
	}
	if s.At.IsZero() {
		return errors.New("a state of discovery says when it was")
	}
	return nil
}

// Troubles are why the latest answer, or parts of it, could not be used.
func (s DiscoveryState) Troubles() []string {
	if s.Trouble == "" {
		return s.Reasons
	}
	return append([]string{s.Trouble}, s.Reasons...)
}

// The buckets of discovery.
var (
	DiscoveryBucket = Bucket[DiscoveryState]{BucketContract{Name: "discoveries", Writer: Gateway,
		Doc: "Per app and entry of discover: when it was last read, how much it named, and what was refused."}}
	GatewayLeaseBucket = Bucket[Lease]{BucketContract{Name: "gateway-leases", Writer: Gateway, Expires: true,
		Doc: "Which of several gateways reads the entries of discover."}}
)

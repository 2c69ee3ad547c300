package config

import (
	"cmp"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// inCluster is where Kubernetes puts what a pod needs to ask its cluster's API server.
const inCluster = "/var/run/secrets/kubernetes.io/serviceaccount/"

func completeDiscovery(d *schemas.Discovery) {
	d.Interval = orDefault(d.Interval, schemas.Duration(10*time.Second))
	d.Keep = orDefault(d.Keep, schemas.Duration(10*time.Minute))
	if k := d.Kubernetes; k != nil && k.URL == "" {
		k.URL, k.Token, k.CA = "https://kubernetes.default.svc", cmp.Or(k.Token, "file:"+inCluster+"token"), cmp.Or(k.CA, inCluster+"ca.crt")
	}
}

// reachable are the app's endpoints and examples of those that may be discovered.
func reachable(a schemas.App) []schemas.Endpoint {
	all := slices.Clone(a.Endpoints)
	for _, d := range a.Discover {
		all = append(all, EndpointAt(d.Endpoint, exampleAddress, schemas.Candidate{}))
	}
	return all
}

// discover checks what endpoints are found by, not what is found.
func (v validator) discover(path string, a schemas.App, t schemas.Topology) {
	names := unique{v, map[string]bool{}}
	for i, d := range a.Discover {
		p := at(path+".discover", i)
		names.add(p+".name", d.Name)
		if d.Interval.D() < time.Second || d.Interval.D() > time.Hour {
			v.failf(p+".interval", "from 1s to 1h", "%s is out of range", d.Interval)
		}
		if d.Keep < d.Interval {
			v.failf(p+".keep", "as 10m", "%s is shorter than the interval, %s", d.Keep, d.Interval)
		}
		v.kind(p, d)
		v.template(p+".endpoint", d, a, t)
	}
}

func (v validator) kind(path string, d schemas.Discovery) {
	kinds := 0
	for _, given := range []bool{d.File != "", d.HTTP != nil, d.DNS != nil, d.Kubernetes != nil} {
		if given {
			kinds++
		}
	}
	if kinds != 1 {
		v.failf(path, "the kinds are file, http, dns and kubernetes", "has %d kinds, not one", kinds)
	}
	if d.File != "" {
		v.file(path+".file", d.File)
		if !slices.Contains([]string{".json", ".yml", ".yaml"}, filepath.Ext(d.File)) {
			v.failf(path+".file", "as /etc/leeward/shop.json", "%q is neither .json nor .yml or .yaml", d.File)
		}
	}
	if h := d.HTTP; h != nil {
		v.service(path+".http", h.URL, h.Token, h.CA)
	}
	if n := d.DNS; n != nil {
		if !serviceName.MatchString(n.SRV) || len(n.SRV) > 253 {
			v.failf(path+".dns.srv", "as _https._tcp.shop.example", "%q is not the name of SRV records", n.SRV)
		}
		if n.Server != "" {
			v.hostPort(path+".dns.server", n.Server)
		}
	}
	if k := d.Kubernetes; k != nil {
		v.service(path+".kubernetes", k.URL, k.Token, k.CA)
		for field, name := range map[string]string{"namespace": k.Namespace, "service": k.Service} {
			if !schemas.ValidName(name) {
				v.failf(path+".kubernetes."+field, "as kubectl get services --all-namespaces shows it", "%q is not a name", name)
			}
		}
	}
}

var serviceName = regexp.MustCompile(`^_[A-Za-z0-9-]+\._(tcp|udp)(\.[A-Za-z0-9_-]+)+\.?$`)

// service checks a web service that is asked with a token.
func (v validator) service(path, url, token, ca string) {
	v.url(path+".url", url)
	if token != "" {
		v.reference(path+".token", token)
		if !strings.HasPrefix(url, "https://") {
			v.failf(path+".url", "a token goes over https only", "%q would show the token to the network", url)
		}
	}
	if ca != "" {
		v.file(path+".ca", ca)
	}
}

func (v validator) file(path, name string) {
	if !filepath.IsAbs(name) {
		v.failf(path, "the file is on the gateway's machine", "%q is not an absolute path", name)
	}
}

// EndpointAt is the endpoint of a candidate at an address that was found. The database is chosen by the candidate alone.
func EndpointAt(d schemas.DiscoveredEndpoint, address string, c schemas.Candidate) schemas.Endpoint {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		host, port = address, ""
	}
	where := strings.NewReplacer("{region}", c.Region, "{variant}", c.Variant)
	r := strings.NewReplacer("{address}", address, "{host}", host, "{port}", port, "{region}", c.Region, "{variant}", c.Variant)
	return schemas.Endpoint{
		Region: c.Region, Variant: c.Variant, ICMP: r.Replace(d.ICMP), TCP: r.Replace(d.TCP), TLS: r.Replace(d.TLS), HTTP: r.Replace(d.HTTP), DNS: r.Replace(d.DNS),
		GRPC: r.Replace(d.GRPC), Exec: r.Replace(d.Exec), Database: where.Replace(d.Database),
	}
}

// placeholder is what is filled in; anything else in braces is a mistake.
var placeholder = regexp.MustCompile(`\{[^}]*\}`)

func (v validator) template(path string, d schemas.Discovery, a schemas.App, t schemas.Topology) {
	e := d.Endpoint
	if e.Region != "" {
		v.region(path+".region", e.Region, t)
	}
	if e.Variant != "" && !slices.ContainsFunc(a.Variants, func(x schemas.Variant) bool { return x.Name == e.Variant }) {
		v.failf(path+".variant", "", "%q is not a variant of %s", e.Variant, a.Name)
	}
	if d.DNS != nil && e.Region == "" {
		v.failf(path+".region", "SRV records have no labels to tell it", "is missing")
	}
	if d.DNS != nil && e.Variant == "" && len(a.Variants) > 1 {
		v.failf(path+".variant", "SRV records have no labels to tell it", "is missing")
	}
	v.placeholders(path, e)
	v.addresses(path, EndpointAt(e, exampleAddress, schemas.Candidate{Region: "region", Variant: "variant"}))
	if e.Database != "" {
		v.reference(path+".database", e.Database)
	}
}

// exampleAddress is of a range that is for documentation (RFC 5737).
const exampleAddress = "192.0.2.1:80"

// placeholders finds those that nothing fills in.
func (v validator) placeholders(path string, e schemas.DiscoveredEndpoint) {
	everywhere := []string{"{address}", "{host}", "{port}", "{region}", "{variant}"}
	for field, text := range map[string]string{
		"icmp": e.ICMP, "tcp": e.TCP, "tls": e.TLS, "http": e.HTTP, "dns": e.DNS, "grpc": e.GRPC, "exec": e.Exec, "database": e.Database,
	} {
		known := everywhere
		if field == "database" {
			known = everywhere[3:]
		}
		for _, p := range placeholder.FindAllString(text, -1) {
			if !slices.Contains(known, p) {
				v.failf(path+"."+field, "those here are "+strings.Join(known, ", "), "%s is not filled in", p)
			}
		}
	}
}

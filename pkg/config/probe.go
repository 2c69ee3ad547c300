package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/pkg/address"
	"github.com/leeward-failover/leeward/schemas"
)

// addresses checks what is measured at an endpoint. A dns question alone says nothing of the app's health.
func (v validator) addresses(path string, e schemas.Endpoint) {
	if e.HTTP == "" && e.GRPC == "" && e.Exec == "" && e.TCP == "" && e.TLS == "" && e.ICMP == "" {
		v.failf(path, "give it http, grpc, exec, tcp, tls or icmp", "nothing here says whether the app answers")
	}
	if e.TCP != "" {
		v.hostPort(path+".tcp", e.TCP)
	}
	if e.TLS != "" {
		v.hostPort(path+".tls", e.TLS)
	}
	if e.HTTP != "" {
		v.url(path+".http", e.HTTP)
	}
	if e.DNS != "" {
		if _, err := address.DNS(e.DNS); err != nil {
			v.failf(path+".dns", "as dns://10.0.0.53/shop.example?type=A", "%v", err)
		}
	}
	if e.GRPC != "" {
		if _, err := address.GRPC(e.GRPC); err != nil {
			v.failf(path+".grpc", "as grpc://10.0.0.1:50051/shop.v1.Cart, or grpcs:// with TLS", "%v", err)
		}
	}
	if e.Exec != "" {
		if _, _, err := address.Exec(e.Exec); err != nil {
			v.failf(path+".exec", "it runs in the folder LEEWARD_PROBE_CHECKS of the prober's machine and nowhere else", "%v", err)
		}
	}
}

func (v validator) probe(path string, a schemas.App) {
	p := a.Probe
	if p.Interval.D() < shortestInterval {
		v.failf(path+".interval", "100ms is the shortest", "%s is too short", p.Interval)
	}
	if p.Timeout.D() < time.Millisecond || p.Timeout.D() > time.Minute {
		v.failf(path+".timeout", "from 1ms to 1m", "%s is out of range", p.Timeout)
	}
	if p.DownAfter < 1 || p.UpAfter < 1 {
		v.failf(path, "", "down_after and up_after count rounds, from 1")
	}
	for i, kind := range p.Also {
		v.also(at(path+".also", i), kind, a)
		if slices.Contains(p.Also[:i], kind) {
			v.failf(at(path+".also", i), "", "%s stands twice", kind)
		}
	}
	if p.HTTP != nil {
		v.httpCheck(path+".http", *p.HTTP, a)
	}
}

// also checks that there is something to measure in one more way.
func (v validator) also(path, kind string, a schemas.App) {
	some := func(has func(schemas.Endpoint) bool) bool { return slices.ContainsFunc(reachable(a), has) }
	switch kind {
	case schemas.KindHTTPKept.String():
		if !some(hasHTTP) {
			v.failf(path, "it is measured at the endpoints' http addresses", "no endpoint of %s has http", a.Name)
		}
		if a.Probe.HTTP != nil && a.Probe.HTTP.Redirects > 0 {
			v.failf(path, "give the address where the redirects end, and leave redirects out", "a request that follows redirects is none on one open connection")
		}
	case schemas.KindTLS.String(), schemas.KindTLSResumed.String():
		if !some(speaksTLS) {
			v.failf(path, "it is measured at the endpoints' tls and https addresses", "no endpoint of %s has tls or an https address", a.Name)
		}
	case schemas.KindRegistry.String():
		if !a.Built() {
			v.failf(path, "it asks for an image that Leeward built", "%s is not built by Leeward, so no image of it is known", a.Name)
		}
	case schemas.KindDBFresh.String():
		if !some(func(e schemas.Endpoint) bool { return e.Database != "" }) {
			v.failf(path, "it is measured at the endpoints' databases", "no endpoint of %s has a database", a.Name)
		}
	default:
		v.oneOf(path, kind, "http_kept", "tls", "tls_resumed", "registry", "db_fresh")
	}
}

func hasHTTP(e schemas.Endpoint) bool { return e.HTTP != "" }

func speaksTLS(e schemas.Endpoint) bool { return e.TLS != "" || address.OverTLS(e.HTTP) }

func hasCertificate(e schemas.Endpoint) bool {
	service, err := address.GRPC(e.GRPC)
	return speaksTLS(e) || err == nil && service.TLS
}

func (v validator) httpCheck(path string, c schemas.HTTPCheck, a schemas.App) {
	for i, status := range c.Status {
		if status < 200 || status > 599 {
			v.failf(at(path+".status", i), "from 200 to 599", "%d is not a status of HTTP", status)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Header)) {
		if !headerName.MatchString(name) {
			v.failf(path+".header", "as Content-Type", "%q is not the name of a header", name)
		}
		v.pattern(path+".header."+name, c.Header[name])
	}
	v.pattern(path+".body", c.Body)
	if c.Host != "" && !hostName.MatchString(c.Host) {
		v.failf(path+".host", "as shop.example, or shop.example:8080", "%q is not a host", c.Host)
	}
	if c.Version != "" {
		v.oneOf(path+".version", c.Version, "1.1", "2")
	}
	if c.Redirects < 0 || c.Redirects > 10 {
		v.failf(path+".redirects", "from 0 to 10", "%d is out of range", c.Redirects)
	}
	if c.CertificateDays < 0 {
		v.failf(path+".certificate_days", "", "is negative")
	}
	if c.CertificateDays > 0 && !slices.ContainsFunc(reachable(a), hasCertificate) {
		v.failf(path+".certificate_days", "", "no endpoint of %s has tls, or an https or grpcs address", a.Name)
	}
}

var (
	headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
	// hostName can not end the line that it is sent in.
	hostName = regexp.MustCompile(`^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$`)
)

func (v validator) pattern(path, expression string) {
	if _, err := regexp.Compile(expression); err != nil {
		v.failf(path, "https://pkg.go.dev/regexp/syntax lists what is understood", "%s", strings.TrimPrefix(fmt.Sprint(err), "error parsing regexp: "))
	}
}

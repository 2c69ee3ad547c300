package probe

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/target"
)

// door is how a target is asked over HTTP or TLS, prepared once.
type door struct {
	check  schemas.HTTPCheck
	header map[string]*regexp.Regexp
	body   *regexp.Regexp
	// first is the request to the target's own address; kept says that it leaves the connection open.
	first *hop
	kept  bool
	// ticket is of the latest handshake, for those that are to resume it.
	ticket *ticket

	mu sync.Mutex
	// idle is an open connection that nobody uses.
	idle   *line
	closed bool
}

// hop is one request: where it goes and what it says.
type hop struct {
	url *url.URL
	// server is the host:port to connect to; tls is nil without it.
	server string
	tls    *tls.Config
	// certificates is how long they must last still.
	certificates time.Duration
	// request is asked if two says that HTTP 2 is spoken, else text over HTTP 1.1.
	two     bool
	request *http.Request
	text    []byte
}

// shared is how TLS is spoken to every target. The key exchange is the cheapest that servers know.
var shared = &tls.Config{MinVersion: tls.VersionTLS12, CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}}

func newDoor(t target.Target) (*door, error) {
	d := &door{kept: t.Kind == schemas.KindHTTPKept, header: map[string]*regexp.Regexp{}}
	if t.Check != nil {
		d.check = *t.Check
	}
	var problems []error
	compile := func(expression string) *regexp.Regexp {
		compiled, err := regexp.Compile(expression)
		problems = append(problems, err)
		return compiled
	}
	for name, expression := range d.check.Header {
		d.header[name] = compile(expression)
	}
	if d.check.Body != "" {
		d.body = compile(d.check.Body)
	}
	if t.Kind == schemas.KindTLSResumed {
		d.ticket = &ticket{}
	}
	u, err := url.Parse(t.Address)
	if t.Kind != schemas.KindHTTP && t.Kind != schemas.KindHTTPKept && !strings.HasPrefix(t.Address, "https://") {
		u, err = &url.URL{Scheme: "tls", Host: t.Address}, nil
	}
	if err == nil {
		d.first, err = d.hop(u)
	}
	if err := errors.Join(append(problems, err)...); err != nil {
		return nil, err
	}
	return d, nil
}

var defaultPorts = map[string]string{"http": "80", "https": "443", "tls": ""}

// hop makes the request to an address: the target's own, or where it redirects to. A redirect to the host that the check names stays with the server that stands for it.
func (d *door) hop(u *url.URL) (*hop, error) {
	port, ok := defaultPorts[u.Scheme]
	if !ok {
		return nil, fmt.Errorf("%s is no address of HTTP", excerpt(u.String()))
	}
	if u.Port() != "" {
		port = u.Port()
	}
	host, server := u.Host, u.Hostname()
	switch {
	case d.check.Host == "":
	case d.first == nil:
		host = d.check.Host
	case u.Hostname() == hostOnly(d.check.Host):
		server = d.first.url.Hostname()
	}
	h := &hop{url: u, server: net.JoinHostPort(server, port), certificates: time.Duration(d.check.CertificateDays) * day}
	if u.Scheme != "http" {
		h.tls = shared.Clone()
		h.tls.ServerName = hostOnly(host)
		if d.ticket != nil {
			h.tls.ClientSessionCache = d.ticket
		}
	}
	if u.Scheme == "tls" {
		return h, nil
	}
	h.two = d.check.Version == "2"
	if h.tls != nil {
		h.tls.NextProtos = map[bool][]string{false: {"http/1.1"}, true: {"h2"}}[h.two]
	}
	return h, h.ask(host, !d.kept)
}

func hostOnly(host string) string { return (&url.URL{Host: host}).Hostname() }

// ask writes the request.
func (h *hop) ask(host string, once bool) error {
	request, err := http.NewRequest(http.MethodGet, h.url.String(), nil) //nolint:noctx // it gets the context of each measurement
	if err != nil {
		return err
	}
	request.Host, request.Close = host, once
	request.Header.Set("User-Agent", "leeward-prober")
	var text bytes.Buffer
	if err := request.Write(&text); err != nil {
		return err
	}
	h.request, h.text = request, text.Bytes()
	return nil
}

// judge says whether an answer is as it should be.
func (d *door) judge(a answer) error {
	well := a.StatusCode >= 200 && a.StatusCode <= 399
	if len(d.check.Status) > 0 {
		well = slices.Contains(d.check.Status, a.StatusCode)
	}
	if !well {
		return answerError("status " + a.Status)
	}
	for name, pattern := range d.header {
		if values := a.Header.Values(name); !slices.ContainsFunc(values, pattern.MatchString) {
			return answerError(fmt.Sprintf("the header %s is %s, which does not match %s", name, excerpt(fmt.Sprintf("%q", values)), pattern))
		}
	}
	if d.body != nil && !d.body.Match(a.body) {
		return answerError(fmt.Sprintf("the body does not match %s", d.body))
	}
	return nil
}

// take returns the idle connection, or nil.
func (d *door) take() *line {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.idle
	d.idle = nil
	return l
}

// give keeps a connection for the next measurement; one is enough.
func (d *door) give(l *line) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.idle != nil || d.closed {
		l.close()
		return
	}
	d.idle = l
}

// close ends what is open.
func (d *door) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	if d.idle != nil {
		d.idle.close()
	}
}

// ticket is the one session that a target's next handshake goes on with.
type ticket struct {
	mu    sync.Mutex
	state *tls.ClientSessionState
	// came is called when there is one.
	came func()
}

// Get returns the session.
func (t *ticket) Get(string) (*tls.ClientSessionState, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state, t.state != nil
}

// Put keeps a session, or throws away the one that is kept.
func (t *ticket) Put(_ string, state *tls.ClientSessionState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state = state; state != nil && t.came != nil {
		t.came()
	}
}

// await calls came when a session comes.
func (t *ticket) await(came func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.came = came
}

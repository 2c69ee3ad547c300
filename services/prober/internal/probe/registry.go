package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/pkg/oci"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/target"
)

// registry measures how soon a region's registry gives the app's image: on a fresh connection the manifest, then the first byte of the first layer.
type registry struct {
	dial  Dial
	pulls memory[pull]
}

func newRegistry(dial Dial) *registry {
	return &registry{dial: dial, pulls: memory[pull]{make: newPull, forget: func(*pull) {}}}
}

// pull is what is known of a target's repository.
type pull struct {
	base, repository string
	// tags are those of the target's variant, any when it has none.
	tags *regexp.Regexp

	// found holds what is known of an image to ask for; whoever takes it out looks, and puts back what it found.
	found chan found
}

// found is how the registry is asked, and for what.
type found struct {
	*oci.Puller
	image
}

// image is an image that is asked for: its manifest by tag, and its first layer as long as the manifest is the same.
type image struct{ tag, manifest, layer string }

func newPull(t target.Target) (*pull, error) {
	u, err := url.Parse(t.Address)
	if err != nil {
		return nil, err
	}
	pattern := "."
	if t.Variant != "" {
		// Images are tagged with their variant and the beginning of their build's id.
		pattern = "^" + regexp.QuoteMeta(t.Variant) + "-[0-9a-f]{12}$"
	}
	tags, err := regexp.Compile(pattern)
	p := &pull{base: u.Scheme + "://" + u.Host, repository: strings.TrimPrefix(u.Path, "/"), tags: tags, found: make(chan found, 1)}
	p.found <- found{}
	return p, err
}

// probe asks for an image. Finding one to ask for is no part of the measurement.
func (g *registry) probe(ctx context.Context, t target.Target) Result {
	r := begin()
	p, err := g.pulls.of(t)
	for tries := 0; err == nil && tries < 2; tries++ {
		var f found
		if f, err = g.find(ctx, t, p); err != nil {
			break
		}
		r.lap(&r.Aside)
		if err = g.ask(ctx, t, &r, f); err == nil {
			return r
		}
		if oci.Answered(err) || errors.Is(err, errOther) {
			p.forget()
		}
		if errors.Is(err, errOther) {
			r, err = r.again(), nil
		}
	}
	r.Ended = time.Now()
	if r.Err = err; classify(err) == schemas.OtherError && oci.Answered(err) {
		r.Err = answerError(excerpt(err.Error()))
	}
	return r
}

// errOther says that a tag was moved since its layer was looked up.
var errOther = errors.New("the tag is of another image than a moment ago")

// ask asks for an image's manifest and the first byte of its layer on one connection, or more if the registry has its layers elsewhere.
func (g *registry) ask(ctx context.Context, t target.Target, r *Result, f found) error {
	ctx, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	var opening elsewhere
	transport := g.transport(t, &opening)
	defer transport.CloseIdleConnections()
	ctx = oci.Over(ctx, transport)
	manifest, err := f.Manifest(ctx, f.tag)
	_ = opening.phases(r)
	if err != nil {
		return err
	}
	r.lap(&r.FirstByte)
	if manifest != f.manifest {
		return errOther
	}
	err = f.FirstByte(ctx, f.layer)
	_ = opening.phases(r)
	if err == nil {
		r.lap(&r.Transfer)
	}
	return err
}

// find returns an image of the target's variant. It looks for one if none is known: each step has the target's timeout, and so has waiting for another measurement's look.
func (g *registry) find(ctx context.Context, t target.Target, p *pull) (f found, err error) {
	waiting, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	select {
	case f = <-p.found:
	case <-waiting.Done():
		return f, waiting.Err()
	}
	defer func() { p.found <- f }()
	if f.image != (image{}) {
		return f, nil
	}
	transport := g.transport(t, &elsewhere{})
	defer transport.CloseIdleConnections()
	var i image
	for _, step := range []func(context.Context) error{
		func(ctx context.Context) (err error) {
			if f.Puller == nil {
				f.Puller, err = oci.NewPuller(ctx, p.base, p.repository)
			}
			return err
		},
		func(ctx context.Context) (err error) { i.tag, err = p.tag(ctx, f.Puller, t.Variant); return err },
		func(ctx context.Context) (err error) { i.manifest, err = f.Manifest(ctx, i.tag); return err },
		func(ctx context.Context) (err error) { i.layer, err = f.FirstLayer(ctx, i.manifest); return err },
	} {
		stepping, cancel := context.WithTimeout(oci.Over(ctx, transport), t.Timeout)
		err := step(stepping)
		cancel()
		if err != nil {
			return f, err
		}
	}
	f.image = i
	return f, nil
}

// tag returns a tag of the variant. Which one does not matter to how long the registry takes.
func (p *pull) tag(ctx context.Context, from *oci.Puller, variant string) (string, error) {
	tags, err := from.Tags(ctx)
	if err != nil && !errors.Is(err, oci.ErrNotFound) {
		return "", err
	}
	i := slices.IndexFunc(tags, p.tags.MatchString)
	if i < 0 {
		return "", answerError(fmt.Sprintf("the registry holds no image of variant %q yet", variant))
	}
	return tags[i], nil
}

// forget has the next measurement look for an image again.
func (p *pull) forget() {
	f := <-p.found
	p.found <- found{Puller: f.Puller}
}

// transport opens connections that are timed.
func (g *registry) transport(t target.Target, opening *elsewhere) *http.Transport {
	return &http.Transport{
		DisableCompression: true, IdleConnTimeout: forgetAfter,
		DialContext: func(ctx context.Context, _, server string) (net.Conn, error) {
			r := begin()
			conn, err := g.dial.connect(ctx, &r, server)
			opening.note(r, err)
			return conn, err
		},
		DialTLSContext: func(ctx context.Context, _, server string) (net.Conn, error) {
			r := begin()
			l, err := g.dial.open(ctx, &r, secureHop(t, server))
			opening.note(r, err)
			if err != nil {
				return nil, err
			}
			return l.Conn, nil
		},
	}
}

// secureHop is a connection over TLS for HTTP.
func secureHop(t target.Target, server string) *hop {
	h := &hop{server: server, tls: shared.Clone()}
	h.tls.ServerName, h.tls.NextProtos = hostOnly(server), []string{"http/1.1"}
	if t.Check != nil {
		h.certificates = time.Duration(t.Check.CertificateDays) * day
	}
	return h
}

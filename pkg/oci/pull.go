package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Puller asks a registry for an image as a node does that has to pull it, step by step. What the registry wants to see of who pulls is got once.
// Every request goes over the transport that its context carries, so that the caller says what is a connection.
type Puller struct {
	repo name.Repository
	over http.RoundTripper
}

type transportKey struct{}

// Over makes a Puller's requests go over a transport.
func Over(ctx context.Context, t http.RoundTripper) context.Context {
	return context.WithValue(ctx, transportKey{}, t)
}

// carried is the transport that a request's context carries.
type carried struct{}

// RoundTrip sends a request.
func (carried) RoundTrip(r *http.Request) (*http.Response, error) {
	return r.Context().Value(transportKey{}).(http.RoundTripper).RoundTrip(r)
}

// NewPuller makes itself known to a registry.
func NewPuller(ctx context.Context, registry, repository string) (*Puller, error) {
	repo, err := Repository(registry, repository)
	if err != nil {
		return nil, err
	}
	who, err := authn.Resolve(ctx, authn.DefaultKeychain, repo)
	if err != nil {
		return nil, fmt.Errorf("credentials of %s: %w", registry, err)
	}
	over, err := transport.NewWithContext(ctx, repo.Registry, who, carried{}, []string{repo.Scope(transport.PullScope)})
	if err != nil {
		return nil, fmt.Errorf("reach registry %s: %w", registry, err)
	}
	return &Puller{repo, over}, nil
}

func (p *Puller) options(ctx context.Context) []remote.Option {
	return []remote.Option{remote.WithContext(ctx), remote.WithTransport(p.over)}
}

// Tags lists the tags of the repository.
func (p *Puller) Tags(ctx context.Context) ([]string, error) {
	tags, err := remote.List(p.repo, p.options(ctx)...)
	return tags, classify(err)
}

// Manifest asks for the digest of the manifest behind a tag.
func (p *Puller) Manifest(ctx context.Context, tag string) (digest string, err error) {
	found, err := remote.Head(p.repo.Tag(tag), p.options(ctx)...)
	if err != nil {
		return "", classify(err)
	}
	return found.Digest.String(), nil
}

// FirstLayer reads which blob is the first layer of the image behind a digest.
func (p *Puller) FirstLayer(ctx context.Context, digest string) (blob string, err error) {
	image, err := platformImage(p.repo.Digest(digest), p.options(ctx))
	if err != nil {
		return "", classify(err)
	}
	manifest, err := image.Manifest()
	if err != nil {
		return "", classify(err)
	}
	if len(manifest.Layers) == 0 {
		return "", fmt.Errorf("%s@%s has no layer", p.repo, digest)
	}
	return manifest.Layers[0].Digest.String(), nil
}

// FirstByte asks for the first byte of a blob, from wherever the registry sends on to.
func (p *Puller) FirstByte(ctx context.Context, blob string) error {
	address := url.URL{Scheme: p.repo.Scheme(), Host: p.repo.RegistryStr(), Path: "/v2/" + p.repo.RepositoryStr() + "/blobs/" + blob}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return err
	}
	request.Header.Set("Range", "bytes=0-0")
	response, err := (&http.Client{Transport: p.over}).Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if err := transport.CheckError(response, http.StatusOK, http.StatusPartialContent); err != nil {
		return classify(err)
	}
	if _, err := io.ReadFull(response.Body, make([]byte, 1)); err != nil {
		return fmt.Errorf("read blob %s: %w", blob, err)
	}
	return nil
}

// Answered says whether an error is a registry's answer.
func Answered(err error) bool {
	var answer *transport.Error
	return errors.As(err, &answer)
}

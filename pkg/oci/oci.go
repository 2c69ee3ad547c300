// Package oci speaks to image registries: it resolves tags to digests, copies images by digest and checks that a copy is whole.
// It tries everything once and soon gives up; callers decide what is tried again.
package oci

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// ErrNotFound says that a registry answered, and does not hold what was asked for.
var ErrNotFound = errors.New("not in the registry")

// Resolve asks a registry for the digest and the media type behind a tag. The registry is a base URL; one that starts with http:// is spoken to without TLS.
func Resolve(ctx context.Context, registry, repository, tag string) (digest, mediaType string, err error) {
	repo, err := Repository(registry, repository)
	if err != nil {
		return "", "", err
	}
	ref, err := name.NewTag(repo.Name()+":"+tag, options(registry)...)
	if err != nil {
		return "", "", fmt.Errorf("tag %q of %s: %w", tag, repo, err)
	}
	found, err := remote.Head(ref, remoteOptions(ctx)...)
	if err != nil {
		return "", "", fmt.Errorf("resolve %s: %w", ref, classify(err))
	}
	return found.Digest.String(), string(found.MediaType), nil
}

// Repository names a repository in the registry at a base URL.
func Repository(registry, repository string) (name.Repository, error) {
	host, err := Host(registry)
	if err != nil {
		return name.Repository{}, err
	}
	repo, err := name.NewRepository(host+"/"+repository, options(registry)...)
	if err != nil {
		return name.Repository{}, fmt.Errorf("repository %q of registry %s: %w", repository, registry, err)
	}
	return repo, nil
}

// Host returns the host, with the port if there is one, of the registry at a base URL: what image references begin with.
func Host(registry string) (string, error) {
	u, err := url.Parse(registry)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return "", fmt.Errorf("registry %q is not a base URL such as https://registry.example", registry)
	}
	return u.Host, nil
}

// Plain says whether the registry at a base URL is spoken to without TLS.
func Plain(registry string) bool {
	u, err := url.Parse(registry)
	return err == nil && u.Scheme == "http"
}

func options(registry string) []name.Option {
	if Plain(registry) {
		return []name.Option{name.Insecure, name.StrictValidation}
	}
	return []name.Option{name.StrictValidation}
}

// shared keeps connections to registries open between requests, as http.DefaultTransport would, and gives up early on a registry whose packets vanish.
var shared = &http.Transport{
	Proxy:                 http.ProxyFromEnvironment,
	DialContext:           (&net.Dialer{Timeout: 3 * time.Second}).DialContext,
	ForceAttemptHTTP2:     true,
	MaxIdleConnsPerHost:   8,
	IdleConnTimeout:       time.Minute,
	TLSHandshakeTimeout:   5 * time.Second,
	ResponseHeaderTimeout: 15 * time.Second,
}

func remoteOptions(ctx context.Context) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx),
		remote.WithTransport(shared),
		remote.WithAuthFromKeychain(authn.DefaultKeychain),
		remote.WithRetryBackoff(remote.Backoff{Duration: time.Millisecond, Factor: 1, Steps: 1}),
		remote.WithUserAgent("leeward"),
	}
}

// classify marks the answer that something is not there.
func classify(err error) error {
	var answer *transport.Error
	if errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound {
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return err
}

package oci

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Image is what a platform's image weighs in a registry.
type Image struct {
	Layers []Layer
	// SizeBytes is the sum of the compressed layers and the config.
	SizeBytes uint64
}

// Layer is one compressed layer.
type Layer struct {
	Digest    string
	SizeBytes uint64
}

// Ping asks whether a registry answers at all, be it that it wants credentials.
func Ping(ctx context.Context, registry string) error {
	host, err := Host(registry)
	if err != nil {
		return err
	}
	reg, err := name.NewRegistry(host, options(registry)...)
	if err != nil {
		return err
	}
	if _, err := transport.Ping(ctx, reg, shared); err != nil {
		return fmt.Errorf("reach registry %s: %w", registry, err)
	}
	return nil
}

// Holds asks whether a repository holds the manifest of a digest: ErrNotFound when it does not.
func Holds(ctx context.Context, repo name.Repository, digest string) error {
	if _, err := remote.Head(repo.Digest(digest), remoteOptions(ctx)...); err != nil {
		return fmt.Errorf("ask for %s@%s: %w", repo, digest, classify(err))
	}
	return nil
}

// Inspect reads what the image behind a digest weighs; of an index, the first image that is for a platform rather than about another one.
func Inspect(ctx context.Context, repo name.Repository, digest string) (Image, error) {
	image, err := platformImage(repo.Digest(digest), remoteOptions(ctx))
	if err != nil {
		return Image{}, fmt.Errorf("inspect %s@%s: %w", repo, digest, classify(err))
	}
	result, err := Weigh(image)
	if err != nil {
		return Image{}, fmt.Errorf("inspect %s@%s: %w", repo, digest, err)
	}
	return result, nil
}

// Weigh reads what an image weighs.
func Weigh(image v1.Image) (Image, error) {
	manifest, err := image.Manifest()
	if err != nil {
		return Image{}, err
	}
	result := Image{SizeBytes: uint64(manifest.Config.Size)}
	for _, l := range manifest.Layers {
		result.Layers = append(result.Layers, Layer{Digest: l.Digest.String(), SizeBytes: uint64(l.Size)})
		result.SizeBytes += uint64(l.Size)
	}
	return result, nil
}

func platformImage(digest name.Digest, options []remote.Option) (v1.Image, error) {
	found, err := remote.Get(digest, options...)
	if err != nil {
		return nil, err
	}
	if !found.MediaType.IsIndex() {
		return found.Image()
	}
	index, err := found.ImageIndex()
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	for _, child := range manifest.Manifests {
		if child.MediaType.IsImage() && child.Annotations["vnd.docker.reference.type"] == "" {
			return index.Image(child.Digest)
		}
	}
	return nil, errors.New("the index holds no image")
}

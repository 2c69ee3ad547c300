package oci

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/sync/errgroup"
)

// ErrIncomplete says that a registry answered, and what it holds of an image is not all of it or not the same.
var ErrIncomplete = errors.New("the copy is not whole")

// Copy copies what is behind a digest, an index with all its children, and tags it, so that a registry that cleans up keeps it.
// The digest stays the same. Blobs that are there are not sent again; manifests are, since one that is there says nothing about the blobs below it.
func Copy(ctx context.Context, from, to name.Repository, digest, tag string) error {
	root, err := copyManifest(ctx, from, to, digest)
	if err != nil {
		return fmt.Errorf("copy %s@%s to %s: %w", from, digest, to.RegistryStr(), err)
	}
	if err := remote.Put(to.Tag(tag), root, remoteOptions(ctx)...); err != nil {
		return fmt.Errorf("tag %s:%s: %w", to, tag, classify(err))
	}
	return nil
}

// copyManifest copies a manifest after everything it names.
func copyManifest(ctx context.Context, from, to name.Repository, digest string) (*remote.Descriptor, error) {
	found, err := remote.Get(from.Digest(digest), remoteOptions(ctx)...)
	if err != nil {
		return nil, classify(err)
	}
	if found.MediaType.IsIndex() {
		err = copyChildren(ctx, from, to, found)
	} else {
		err = copyBlobs(ctx, from, to, found)
	}
	if err != nil {
		return nil, err
	}
	return found, classify(remote.Put(to.Digest(digest), found, remoteOptions(ctx)...))
}

func copyChildren(ctx context.Context, from, to name.Repository, found *remote.Descriptor) error {
	index, err := found.ImageIndex()
	if err != nil {
		return err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	for _, child := range manifest.Manifests {
		if _, err := copyManifest(ctx, from, to, child.Digest.String()); err != nil {
			return err
		}
	}
	return nil
}

func copyBlobs(ctx context.Context, from, to name.Repository, found *remote.Descriptor) error {
	blobs, err := blobsOf(found)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, digest := range blobs {
		g.Go(func() error {
			layer, err := remote.Layer(from.Digest(digest), remoteOptions(ctx)...)
			if err != nil {
				return err
			}
			return classify(remote.WriteLayer(to, layer, remoteOptions(ctx)...))
		})
	}
	return g.Wait()
}

// blobsOf lists the config and the layers of an image.
func blobsOf(found *remote.Descriptor) ([]string, error) {
	image, err := found.Image()
	if err != nil {
		return nil, err
	}
	manifest, err := image.Manifest()
	if err != nil {
		return nil, err
	}
	blobs := []string{manifest.Config.Digest.String()}
	for _, l := range manifest.Layers {
		blobs = append(blobs, l.Digest.String())
	}
	return blobs, nil
}

// Verify checks that a repository holds a digest, every manifest below it and every blob of those; ErrIncomplete when it answers and something is missing or differs.
func Verify(ctx context.Context, repo name.Repository, digest string) error {
	err := verify(ctx, repo, digest)
	if err == nil || Unreachable(err) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrIncomplete, err)
}

// verify reads a manifest by digest, which fails when either the body or the registry's own header is another one, and goes on with what it names.
func verify(ctx context.Context, repo name.Repository, digest string) error {
	ref := repo.Digest(digest)
	if _, err := remote.Head(ref, remoteOptions(ctx)...); err != nil {
		return fmt.Errorf("verify %s: %w", ref, classify(err))
	}
	found, err := remote.Get(ref, remoteOptions(ctx)...)
	if err != nil {
		return fmt.Errorf("verify %s: %w", ref, classify(err))
	}
	if found.MediaType.IsIndex() {
		index, err := found.ImageIndex()
		if err != nil {
			return fmt.Errorf("verify %s: %w", ref, err)
		}
		return verifyChildren(ctx, repo, index)
	}
	blobs, err := blobsOf(found)
	if err != nil {
		return fmt.Errorf("verify %s: %w", ref, err)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, blob := range blobs {
		g.Go(func() error { return verifyBlob(ctx, repo.Digest(blob)) })
	}
	return g.Wait()
}

func verifyChildren(ctx context.Context, repo name.Repository, index v1.ImageIndex) error {
	manifest, err := index.IndexManifest()
	if err != nil {
		return fmt.Errorf("verify %s: %w", repo, err)
	}
	for _, child := range manifest.Manifests {
		if err := verify(ctx, repo, child.Digest.String()); err != nil {
			return err
		}
	}
	return nil
}

func verifyBlob(ctx context.Context, ref name.Digest) error {
	layer, err := remote.Layer(ref, remoteOptions(ctx)...)
	if err != nil {
		return fmt.Errorf("verify blob %s: %w", ref, classify(err))
	}
	exists, err := partial.Exists(layer)
	if err != nil {
		return fmt.Errorf("verify blob %s: %w", ref, classify(err))
	}
	if !exists {
		return fmt.Errorf("verify blob %s: %w", ref, ErrNotFound)
	}
	return nil
}

// Unreachable says whether an error tells nothing about what a registry holds: it did not answer, is in trouble, or did not let us in.
func Unreachable(err error) bool {
	var answer *transport.Error
	if errors.As(err, &answer) {
		switch answer.StatusCode {
		case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusRequestTimeout:
			return true
		}
		return answer.StatusCode >= http.StatusInternalServerError
	}
	var request *url.Error
	var network net.Error
	return errors.As(err, &request) || errors.As(err, &network) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

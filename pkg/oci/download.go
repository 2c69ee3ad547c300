package oci

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// downloads is how many layers are fetched at once, each over a connection of its own: as many as containerd and Docker do when nobody tells them otherwise.
const downloads = 3

// ErrTooLarge says that an image is not fetched because it is larger than was asked for.
var ErrTooLarge = errors.New("the image is too large")

// Download fetches the image behind a digest, or of an index the one for this machine, into an empty folder as a node does: every blob is checked, and
// nothing comes from before, not even a connection. The image it returns reads from the folder. One of more than limit bytes is not fetched.
func Download(ctx context.Context, repo name.Repository, digest, folder string, limit uint64) (v1.Image, error) {
	over := shared.Clone()
	over.MaxConnsPerHost = downloads
	defer over.CloseIdleConnections()
	platform := v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
	remoteImage, err := remote.Image(repo.Digest(digest), append(remoteOptions(ctx), remote.WithTransport(over), remote.WithPlatform(platform))...)
	if err != nil {
		return nil, fmt.Errorf("pull %s@%s: %w", repo, digest, classify(err))
	}
	image, err := store(remoteImage, folder, limit)
	if err != nil {
		return nil, fmt.Errorf("pull %s@%s: %w", repo, digest, classify(err))
	}
	return image, nil
}

func store(image v1.Image, folder string, limit uint64) (v1.Image, error) {
	found, err := Weigh(image)
	if err != nil {
		return nil, err
	}
	if found.SizeBytes > limit {
		return nil, fmt.Errorf("%w: %d bytes, at most %d allowed", ErrTooLarge, found.SizeBytes, limit)
	}
	blobs, err := layout.Write(folder, empty.Index)
	if err != nil {
		return nil, err
	}
	if err := blobs.AppendImage(image); err != nil {
		return nil, err
	}
	digest, err := image.Digest()
	if err != nil {
		return nil, err
	}
	return blobs.Image(digest)
}

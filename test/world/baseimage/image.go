// Package baseimage makes the images that the example app is built from, where Docker Hub's cannot be had: a small
// Debian and Node.js on it, from Debian's packages and this machine's Node.js. The same packages and the same Node.js
// give the same digests.
package baseimage

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Image is a base image and its name in the registry.
type Image struct {
	// Repository and tag, such as base/node:20.20.2-bookworm-slim.
	Name  string
	Image v1.Image
}

// Build makes the base images; layers are kept in the folder. A salt, if any, is one small layer on top, so that its
// change makes new images of which all but that layer is known already.
func Build(ctx context.Context, folder, salt string) ([]Image, error) {
	release, err := codename()
	if err != nil {
		return nil, err
	}
	node, err := nodeVersion(ctx)
	if err != nil {
		return nil, err
	}
	l, err := buildLayers(ctx, folder, node)
	if err != nil {
		return nil, err
	}
	debian := v1.Config{
		Cmd: []string{"bash"},
		// npm trusts its own list of authorities unless told.
		Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "NODE_EXTRA_CA_CERTS=/" + certificates, "SSL_CERT_FILE=/" + certificates},
	}
	nodejs := v1.Config{Cmd: []string{"node"}, Env: append(slices.Clone(debian.Env), "NODE_VERSION="+node)}
	images := []Image{{Name: "base/debian:" + release + "-slim"}, {Name: "base/node:" + node + "-" + release + "-slim"}, {Name: "base/node:" + node + "-" + release}}
	parts := [][]v1.Layer{{l.debian}, {l.debian, l.node}, {l.debian, l.node, l.full}}
	for i, config := range []v1.Config{debian, nodejs, nodejs} {
		layers := parts[i]
		if salt != "" {
			top, err := saltLayer(salt)
			if err != nil {
				return nil, err
			}
			layers = append(layers, top)
		}
		if images[i].Image, err = assemble(layers, config); err != nil {
			return nil, err
		}
	}
	return images, nil
}

func assemble(layers []v1.Layer, config v1.Config) (v1.Image, error) {
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.AppendLayers(image, layers...)
	if err != nil {
		return nil, err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.Config, file.OS, file.Architecture, file.Created = config, "linux", runtime.GOARCH, v1.Time{Time: time.Unix(0, 0).UTC()}
	return mutate.ConfigFile(image, file)
}

// Push sends an image to a registry in one go, so its notification is sent once.
func Push(ctx context.Context, registry string, image Image) (name.Digest, error) {
	tag, err := name.NewTag(registry+"/"+image.Name, name.Insecure)
	if err != nil {
		return name.Digest{}, err
	}
	digest, err := image.Image.Digest()
	if err != nil {
		return name.Digest{}, err
	}
	if err := remote.Write(tag, image.Image, remote.WithContext(ctx)); err != nil {
		return name.Digest{}, fmt.Errorf("push %s: %w", tag, err)
	}
	return tag.Context().Digest(digest.String()), nil
}

// Holds says whether a registry has the image under its tag.
func Holds(ctx context.Context, registry string, image Image) (bool, error) {
	tag, err := name.NewTag(registry+"/"+image.Name, name.Insecure)
	if err != nil {
		return false, err
	}
	digest, err := image.Image.Digest()
	if err != nil {
		return false, err
	}
	there, err := remote.Head(tag, remote.WithContext(ctx))
	var refused *transport.Error
	if errors.As(err, &refused) && refused.StatusCode == http.StatusNotFound {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", tag, err)
	}
	return there.Digest == digest, nil
}

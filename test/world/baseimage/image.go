// Package baseimage makes the images that the example app is built from, where Docker Hub's cannot be had: a small
// Debian with Node.js, Nginx or Go on it, from Debian's packages and this machine's Node.js and Go. The same packages
// and the same programs give the same digests.
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
	l, err := buildLayers(ctx, folder)
	if err != nil {
		return nil, err
	}
	const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	// npm trusts its own list of authorities unless told.
	trust := []string{"NODE_EXTRA_CA_CERTS=/" + certificates, "SSL_CERT_FILE=/" + certificates}
	debian := v1.Config{Cmd: []string{"bash"}, Env: append([]string{path}, trust...)}
	node := v1.Config{Cmd: []string{"node"}, Env: append(slices.Clone(debian.Env), "NODE_VERSION="+l.versions.node)}
	nginx := v1.Config{Cmd: []string{"nginx", "-g", "daemon off;"}, Env: append(slices.Clone(debian.Env), "NGINX_VERSION="+l.versions.nginx), StopSignal: "SIGQUIT"}
	golang := v1.Config{Cmd: []string{"bash"}, Env: append([]string{path + ":/usr/local/go/bin", "GOTOOLCHAIN=local", "GOLANG_VERSION=" + l.versions.golang}, trust...)}
	var images []Image
	for _, made := range []struct {
		name   string
		config v1.Config
		layers []v1.Layer
	}{
		{"base/debian:" + release + "-slim", debian, []v1.Layer{l.debian}},
		{"base/node:" + l.versions.node + "-" + release + "-slim", node, []v1.Layer{l.debian, l.node}},
		{"base/node:" + l.versions.node + "-" + release, node, []v1.Layer{l.debian, l.node, l.full}},
		{"base/nginx:" + l.versions.nginx, nginx, []v1.Layer{l.debian, l.nginx}},
		{"base/golang:" + l.versions.golang + "-" + release, golang, []v1.Layer{l.debian, l.golang}},
	} {
		if salt != "" {
			top, err := saltLayer(salt)
			if err != nil {
				return nil, err
			}
			made.layers = append(made.layers, top)
		}
		image, err := assemble(made.layers, made.config)
		if err != nil {
			return nil, err
		}
		images = append(images, Image{Name: made.name, Image: image})
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

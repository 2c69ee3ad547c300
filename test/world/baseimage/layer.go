package baseimage

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// format is part of every kept layer's name; a change of what the code below makes raises it.
const format = "3"

// layers are what the images are stacked from.
type layers struct {
	debian, node, full, nginx, golang v1.Layer
	versions                          versions
}

// versions are the true ones of what the images are named for.
type versions struct{ node, nginx, golang string }

// recipe is what the layers are made of.
type recipe struct {
	slim, full, nginx []string // files of packages
	goRoot            string
	versions          versions
}

// gather downloads packages and asks for versions.
func gather(ctx context.Context, folder string) (r recipe, err error) {
	if r.slim, err = download(ctx, folder, slimPackages); err != nil {
		return r, err
	}
	if r.full, err = download(ctx, folder, fullPackages); err != nil {
		return r, err
	}
	if r.nginx, err = download(ctx, folder, nginxPackages); err != nil {
		return r, err
	}
	if r.versions.nginx, err = packageVersion(r.nginx, "nginx"); err != nil {
		return r, err
	}
	if r.versions.node, err = nodeVersion(ctx); err != nil {
		return r, err
	}
	r.versions.golang, r.goRoot, err = goVersion(ctx)
	return r, err
}

// buildLayers makes the layers or finds them in the folder, under names that tell what they were made from.
func buildLayers(ctx context.Context, folder string) (layers, error) {
	r, err := gather(ctx, folder)
	if err != nil {
		return layers{}, err
	}
	made := strings.Join(slices.Concat([]string{format, r.versions.node, r.versions.golang}, r.slim, r.full, r.nginx), "\n")
	sum := sha256.Sum256([]byte(made))
	kept := filepath.Join(folder, "layers-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(kept); errors.Is(err, os.ErrNotExist) {
		if err := makeLayers(ctx, kept, r); err != nil {
			return layers{}, err
		}
	}
	l := layers{versions: r.versions}
	for name, layer := range map[string]*v1.Layer{"debian": &l.debian, "node": &l.node, "full": &l.full, "nginx": &l.nginx, "golang": &l.golang} {
		if *layer, err = tarball.LayerFromFile(filepath.Join(kept, name+".tar.gz"), tarball.WithMediaType(types.OCILayer)); err != nil {
			return layers{}, err
		}
	}
	return l, nil
}

func makeLayers(ctx context.Context, folder string, r recipe) error {
	debian := newRootFS()
	if err := debian.addPackages(ctx, r.slim); err != nil {
		return err
	}
	if err := debian.addSystem(); err != nil {
		return err
	}
	node, full, nginx, golang := tree{}, tree{}, tree{}, tree{}
	if err := node.addNode(ctx, debian); err != nil {
		return err
	}
	if err := full.addPackages(ctx, r.full); err != nil {
		return err
	}
	if err := nginx.addPackages(ctx, r.nginx); err != nil {
		return err
	}
	if err := golang.addGo(ctx, r.goRoot); err != nil {
		return err
	}
	full.without(debian)
	nginx.without(debian)
	doing := folder + ".new"
	if err := errors.Join(os.RemoveAll(doing), os.MkdirAll(doing, 0o755)); err != nil {
		return err
	}
	for name, t := range map[string]tree{"debian": debian, "node": node, "full": full, "nginx": nginx, "golang": golang} {
		if err := t.writeFile(filepath.Join(doing, name+".tar.gz")); err != nil {
			return err
		}
	}
	return os.Rename(doing, folder)
}

func (t tree) writeFile(path string) error {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	if err := t.compress(out); err != nil {
		return err
	}
	return out.Close()
}

func (t tree) compress(w io.Writer) error {
	zipped := gzip.NewWriter(w)
	if err := t.write(zipped); err != nil {
		return err
	}
	return zipped.Close()
}

// saltLayer holds one small file.
func saltLayer(salt string) (v1.Layer, error) {
	t := tree{}
	t.text("etc/leeward-salt", salt+"\n")
	var data bytes.Buffer
	if err := t.compress(&data); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data.Bytes())), nil }, tarball.WithMediaType(types.OCILayer))
}

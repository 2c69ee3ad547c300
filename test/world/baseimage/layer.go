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
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// format is part of every kept layer's name; a change of what the code below makes raises it.
const format = "1"

// layers are what the images are stacked from.
type layers struct {
	debian, node, full v1.Layer
}

// buildLayers makes the layers or finds them in the folder, under names that tell what they were made from.
func buildLayers(ctx context.Context, folder, node string) (layers, error) {
	slim, err := download(ctx, folder, slimPackages)
	if err != nil {
		return layers{}, err
	}
	full, err := download(ctx, folder, fullPackages)
	if err != nil {
		return layers{}, err
	}
	made := strings.Join(append(append([]string{format, node}, slim...), full...), "\n")
	sum := sha256.Sum256([]byte(made))
	kept := filepath.Join(folder, "layers-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(kept); errors.Is(err, os.ErrNotExist) {
		if err := makeLayers(ctx, kept, slim, full); err != nil {
			return layers{}, err
		}
	}
	var l layers
	for name, layer := range map[string]*v1.Layer{"debian": &l.debian, "node": &l.node, "full": &l.full} {
		if *layer, err = tarball.LayerFromFile(filepath.Join(kept, name+".tar.gz"), tarball.WithMediaType(types.OCILayer)); err != nil {
			return layers{}, err
		}
	}
	return l, nil
}

func makeLayers(ctx context.Context, folder string, slim, full []string) error {
	debian := newRootFS()
	for _, file := range slim {
		if err := debian.addPackage(ctx, file); err != nil {
			return err
		}
	}
	if err := debian.addSystem(); err != nil {
		return err
	}
	node := tree{}
	if err := node.addNode(ctx, debian); err != nil {
		return err
	}
	extra := tree{}
	for _, file := range full {
		if err := extra.addPackage(ctx, file); err != nil {
			return err
		}
	}
	extra.without(debian)
	doing := folder + ".new"
	if err := errors.Join(os.RemoveAll(doing), os.MkdirAll(doing, 0o755)); err != nil {
		return err
	}
	for name, t := range map[string]tree{"debian": debian, "node": node, "full": extra} {
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

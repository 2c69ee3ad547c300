package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/leeward-failover/leeward/schemas"
)

// store keeps unpacked layers, each once, and one pull at a time.
type store struct {
	folder string

	mu   sync.Mutex
	used map[string][]string // slot to layers
}

// image is a pulled image.
type image struct {
	digest  string
	variant string
	config  v1.Config
	layers  []string // folders, the lowest first
}

// pull fetches what is missing of an image. Its layers are kept until the slot releases them.
func (s *store) pull(ctx context.Context, slot string, state schemas.ImageState) (image, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ref, err := name.NewDigest(state.Reference, name.Insecure)
	if err != nil {
		return image{}, err
	}
	found, err := remote.Image(ref, remote.WithContext(ctx), remote.WithPlatform(v1.Platform{OS: "linux", Architecture: goruntime.GOARCH}))
	if err != nil {
		return image{}, fmt.Errorf("find %s: %w", ref, err)
	}
	config, err := found.ConfigFile()
	if err != nil {
		return image{}, fmt.Errorf("read the configuration of %s: %w", ref, err)
	}
	layers, err := found.Layers()
	if err != nil {
		return image{}, err
	}
	pulled := image{digest: state.Digest, variant: state.Variant, config: config.Config}
	for _, layer := range layers {
		folder, err := s.unpack(layer)
		if err != nil {
			return image{}, fmt.Errorf("pull %s: %w", ref, err)
		}
		pulled.layers = append(pulled.layers, folder)
	}
	s.used[slot] = append(s.used[slot], pulled.layers...)
	return pulled, nil
}

// unpack makes a layer's folder, unless it is there.
func (s *store) unpack(layer v1.Layer) (string, error) {
	digest, err := layer.Digest()
	if err != nil {
		return "", err
	}
	// Part of the digest is enough to tell layers apart, and mount takes one page of options.
	folder := filepath.Join(s.folder, digest.Hex[:16])
	if _, err := os.Stat(folder); !errors.Is(err, os.ErrNotExist) {
		return folder, err
	}
	doing := folder + ".new"
	if err := errors.Join(os.RemoveAll(doing), os.MkdirAll(doing, 0o755)); err != nil {
		return "", err
	}
	content, err := layer.Uncompressed()
	if err != nil {
		return "", fmt.Errorf("fetch layer %s: %w", digest, err)
	}
	defer func() { _ = content.Close() }()
	if err := untar(content, doing); err != nil {
		return "", fmt.Errorf("unpack layer %s: %w", digest, err)
	}
	return folder, os.Rename(doing, folder)
}

// release says that a slot runs an image and needs no other; layers that no slot needs are removed.
func (s *store) release(slot string, running image) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used[slot] = running.layers
	entries, err := os.ReadDir(s.folder)
	if err != nil {
		return err
	}
	var errs []error
	for _, entry := range entries {
		folder := filepath.Join(s.folder, entry.Name())
		if strings.HasSuffix(folder, ".new") || s.needed(folder) {
			continue
		}
		errs = append(errs, os.RemoveAll(folder))
	}
	return errors.Join(errs...)
}

func (s *store) needed(folder string) bool {
	for _, layers := range s.used {
		if slices.Contains(layers, folder) {
			return true
		}
	}
	return false
}

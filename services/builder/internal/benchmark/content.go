package benchmark

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Content is what an image's layers hold, uncompressed.
type Content struct {
	// Bytes are those of all files in all layers.
	Bytes uint64
	// WastedBytes are those of files that a later layer hides or writes again: they are pulled and unpacked for nothing.
	WastedBytes uint64
}

// In a layer, a file with this prefix hides the one of that name in the layers below; the second hides all that its folder holds there.
const (
	hides      = ".wh."
	hidesWhole = ".wh..wh..opq"
)

// Read reads the headers of every file in every layer, the lowest first.
func Read(layers []v1.Layer) (Content, error) {
	var c Content
	root := &entry{}
	for i, layer := range layers {
		if err := c.layer(root, i, layer); err != nil {
			return Content{}, fmt.Errorf("layer %d: %w", i+1, err)
		}
	}
	return c, nil
}

func (c *Content) layer(root *entry, number int, layer v1.Layer) error {
	content, err := layer.Uncompressed()
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }()
	for archive := tar.NewReader(content); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		c.add(root, number, header)
	}
}

// add counts a file, and what it hides.
func (c *Content) add(root *entry, layer int, header *tar.Header) {
	folder, name := path.Split(strings.TrimPrefix(path.Clean("/"+header.Name), "/"))
	at := root.find(folder)
	switch {
	case name == "":
	case name == hidesWhole:
		for _, child := range at.children {
			c.WastedBytes += child.hide(layer)
		}
	case strings.HasPrefix(name, hides):
		c.WastedBytes += at.child(strings.TrimPrefix(name, hides)).hide(layer)
	case header.Typeflag == tar.TypeDir:
		// A folder adds to one that is there, and takes the place of a file.
		file := at.child(name)
		c.WastedBytes += file.size
		file.size, file.layer = 0, layer
	default:
		file := at.child(name)
		// The same layer may write a file twice, and the first is as lost.
		c.WastedBytes += file.hide(layer + 1)
		file.layer = layer
		if header.Typeflag == tar.TypeReg {
			file.size = uint64(header.Size)
			c.Bytes += file.size
		}
	}
}

// entry is a file or a folder as the layers so far leave it.
type entry struct {
	size     uint64
	layer    int
	children map[string]*entry
}

// child finds what a folder holds by name, made if it is not there.
func (e *entry) child(name string) *entry {
	if e.children == nil {
		e.children = map[string]*entry{}
	}
	if e.children[name] == nil {
		e.children[name] = &entry{}
	}
	return e.children[name]
}

func (e *entry) find(folder string) *entry {
	for name := range strings.SplitSeq(folder, "/") {
		if name != "" {
			e = e.child(name)
		}
	}
	return e
}

// hide takes away what layers below one wrote here and further down, and returns its bytes.
func (e *entry) hide(below int) (bytes uint64) {
	if e.layer < below {
		bytes, e.size = e.size, 0
	}
	for _, child := range e.children {
		bytes += child.hide(below)
	}
	return bytes
}

// Package source opens what an app is built from: a folder below the build root that nothing in it leads out of, and its Dockerfile.
// It refuses what would let a Dockerfile choose another builder, and leaves building to others.
package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher/ignorefile"
	"github.com/tonistiigi/fsutil"
)

// syntaxArg is the build argument by which a build could choose another frontend.
const syntaxArg = "BUILDKIT_SYNTAX"

// Context is an open build context. Every file of it is opened below its folder, also when a link points elsewhere.
type Context struct {
	// Dockerfile is the path of the Dockerfile inside the context.
	Dockerfile string
	root       *os.Root
	text       []byte
}

// Open opens a folder below the build root and reads its Dockerfile. args are the build arguments it will be built with.
func Open(buildRoot, folder, dockerfile string, args map[string]string) (*Context, error) {
	base, err := os.OpenRoot(buildRoot)
	if err != nil {
		return nil, fmt.Errorf("build root: %w", err)
	}
	defer func() { _ = base.Close() }()
	root, err := base.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("build context %q: %w", folder, err)
	}
	if dockerfile == "" {
		dockerfile = "Dockerfile"
	}
	c := &Context{Dockerfile: dockerfile, root: root}
	if err := c.read(args); err != nil {
		c.Close()
		return nil, fmt.Errorf("build context %q: %w", folder, err)
	}
	return c, nil
}

// Close lets go of the folder.
func (c *Context) Close() { _ = c.root.Close() }

// Files is the folder as BuildKit reads it.
func (c *Context) Files() fsutil.FS { return fsutil.NewRootFS(fsutil.NewRoot(c.root)) }

// read reads the Dockerfile and refuses one that asks for a frontend of its own: that is an image from anywhere that would run instead of ours.
func (c *Context) read(args map[string]string) error {
	var err error
	if c.text, err = c.root.ReadFile(c.Dockerfile); err != nil {
		return err
	}
	return Refuse(c.Dockerfile, c.text, args)
}

// Refuse says why a Dockerfile is not built, or nil.
func Refuse(dockerfile string, text []byte, args map[string]string) error {
	if syntax, _, _, ok := parser.DetectSyntax(text); ok {
		return fmt.Errorf("%s asks for the frontend %q (# syntax=): only BuildKit's own is run; remove the line", dockerfile, syntax)
	}
	if _, ok := args[syntaxArg]; ok {
		return fmt.Errorf("the build argument %s asks for another frontend: only BuildKit's own is run; remove it", syntaxArg)
	}
	return nil
}

// ignored returns the patterns that are kept out of the context, from the file BuildKit would take them from.
func (c *Context) ignored() ([]string, error) {
	for _, name := range []string{c.Dockerfile + ".dockerignore", ".dockerignore"} {
		f, err := c.root.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		return ignorefile.ReadAll(f)
	}
	return nil, nil
}

// Hash is the same for two contexts that build the same: paths, kinds, execute bits, link targets and contents of what is not ignored, and the Dockerfile.
func (c *Context) Hash(ctx context.Context) (string, error) {
	patterns, err := c.ignored()
	if err != nil {
		return "", fmt.Errorf("hash context: %w", err)
	}
	files, err := fsutil.NewFilterFS(c.Files(), &fsutil.FilterOpt{ExcludePatterns: patterns})
	if err != nil {
		return "", fmt.Errorf("hash context: %w", err)
	}
	h := newHash()
	h.add("dockerfile", string(c.text))
	err = files.Walk(ctx, "", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return h.file(files, path, entry)
	})
	if err != nil {
		return "", fmt.Errorf("hash context: %w", err)
	}
	return h.sum(), nil
}

package compose_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// toolchain writes what stands for the image golang: this machine's Go, a shell, and the parts of this machine's module and build caches that our programs are made of.
// The build in the image is the one of deploy/Dockerfile, and compiles whatever is not what `make build` compiled.
func toolchain(ctx context.Context, w io.Writer, root string) error {
	r := newRootfs(w)
	r.busybox("mkdir")
	r.file("etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/ca-certificates.crt")
	r.dir("tmp")
	where, err := goEnv(ctx, root, "GOROOT", "GOMODCACHE", "GOCACHE")
	if err != nil {
		return err
	}
	for _, name := range []string{"bin", "lib", "pkg/include", "pkg/tool", "src", "VERSION", "go.env"} {
		source := filepath.Join(where[0], name)
		if info, err := os.Stat(source); err == nil && !info.IsDir() {
			r.file("usr/local/go/"+name, source)
			continue
		}
		r.tree("usr/local/go/"+name, source, func(path string, entry fs.DirEntry) bool {
			return !strings.HasSuffix(path, "_test.go") && entry.Name() != "testdata" && path != filepath.Join(where[0], "src", "cmd")
		})
	}
	r.link("usr/local/bin/go", "../go/bin/go")
	if err := r.caches(ctx, root, where[1], where[2]); err != nil {
		return err
	}
	return r.close()
}

// built is what go list says of a package that was built.
type built struct {
	Dir        string
	Standard   bool
	BuildID    string
	Export     string
	EmbedFiles []string
	Module     *struct{ Path, Version, Dir, GoMod string }
}

// caches adds the sources of the modules' packages, the modules' descriptions, and what was compiled of them.
func (r *rootfs) caches(ctx context.Context, root, modules, builds string) error {
	packages, err := list(ctx, root, "github.com/leeward-failover/leeward/services/...", "github.com/leeward-failover/leeward/cmd/leeward")
	if err != nil {
		return err
	}
	for _, p := range packages {
		if p.Export != "" {
			if err := r.compiled(p, builds); err != nil {
				return err
			}
		}
		if p.Standard || !strings.HasPrefix(p.Dir, modules+"/") {
			continue
		}
		entries, err := os.ReadDir(p.Dir)
		if err != nil {
			return err
		}
		files := p.EmbedFiles
		for _, e := range entries {
			if e.Type().IsRegular() && !strings.HasSuffix(e.Name(), "_test.go") {
				files = append(files, e.Name())
			}
		}
		for _, name := range files {
			path := filepath.Join(p.Dir, name)
			r.file(filepath.Join("go/pkg/mod", strings.TrimPrefix(path, modules)), path)
		}
		// Go trusts a module's folder when it knows the hash of what it was unpacked from.
		hash := strings.TrimSuffix(p.Module.GoMod, ".mod") + ".ziphash"
		r.file(filepath.Join("go/pkg/mod", strings.TrimPrefix(hash, modules)), hash)
	}
	// A module that could hold a package, by its name, is looked into. It holds none that another one gave us, so its folder may be empty.
	others, err := output(ctx, root, "list", "-m", "-f", "{{if and .Version .Dir}}{{.Dir}} {{.GoMod}}{{end}}", "all")
	if err != nil {
		return err
	}
	for line := range strings.Lines(others) {
		dir, description, _ := strings.Cut(strings.TrimSpace(line), " ")
		hash := strings.TrimSuffix(description, ".mod") + ".ziphash"
		if _, err := os.Stat(hash); err == nil && dir != "" {
			r.dir(filepath.Join("go/pkg/mod", strings.TrimPrefix(dir, modules)))
			r.file(filepath.Join("go/pkg/mod", strings.TrimPrefix(hash, modules)), hash)
		}
	}
	r.tree("go/pkg/mod/cache/download", filepath.Join(modules, "cache/download"), func(path string, entry fs.DirEntry) bool {
		return entry.IsDir() && entry.Name() != "sumdb" || strings.HasSuffix(path, ".mod") || strings.HasSuffix(path, ".info")
	})
	return r.err
}

// compiled adds a package's entry of the build cache: what it was made of names what was made.
func (r *rootfs) compiled(p built, builds string) error {
	action, _, _ := strings.Cut(p.BuildID, "/")
	id, err := base64.RawURLEncoding.DecodeString(action)
	if err != nil {
		return fmt.Errorf("build id %q: %w", p.BuildID, err)
	}
	name := hex.EncodeToString(id)
	entries, err := filepath.Glob(filepath.Join(builds, name[:2], name+"*-a"))
	if err != nil {
		return err
	}
	for _, path := range append(entries, p.Export) {
		r.file(filepath.Join("root/.cache/go-build", strings.TrimPrefix(path, builds)), path)
	}
	return r.err
}

// list asks for the packages that programs are made of, compiled as the Dockerfile does.
func list(ctx context.Context, root string, patterns ...string) ([]built, error) {
	args := append([]string{"list", "-trimpath", "-buildvcs=false", "-deps", "-export", "-json=Dir,Standard,BuildID,Export,EmbedFiles,Module"}, patterns...)
	out, err := output(ctx, root, args...)
	if err != nil {
		return nil, err
	}
	var all []built
	for d := json.NewDecoder(strings.NewReader(out)); ; {
		var p built
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
}

// output runs the go command in a folder, without cgo as the Dockerfile does.
func output(ctx context.Context, folder string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = folder, append(os.Environ(), "CGO_ENABLED=0")
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w: %s", args[0], err, problems.Bytes())
	}
	return string(out), nil
}

func goEnv(ctx context.Context, folder string, names ...string) ([]string, error) {
	out, err := output(ctx, folder, append([]string{"env"}, names...)...)
	return strings.Split(strings.TrimSpace(out), "\n"), err
}

// busybox adds a shell and the tools that healthchecks and start scripts use.
func (r *rootfs) busybox(tools ...string) {
	r.file("bin/busybox", "/bin/busybox")
	for _, tool := range append(tools, "sh", "cat") {
		r.link("bin/"+tool, "busybox")
	}
}

// program adds a program and the libraries it is linked with.
func (r *rootfs) program(ctx context.Context, name, source string) {
	r.file(name, source)
	r.libraries(ctx, source)
}

func (r *rootfs) libraries(ctx context.Context, source string) {
	out, err := exec.CommandContext(ctx, "ldd", source).Output()
	if err != nil {
		return // linked with none
	}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		for _, field := range strings.Fields(lines.Text()) {
			if strings.HasPrefix(field, "/") {
				r.file(field, field)
			}
		}
	}
}

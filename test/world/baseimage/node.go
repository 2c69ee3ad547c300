package baseimage

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// nodeVersion is the true version of this machine's Node.js, by which the images are named.
func nodeVersion(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "node", "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask node for its version: %w", err)
	}
	return strings.TrimPrefix(strings.TrimSpace(string(out)), "v"), nil
}

// addNode adds this machine's Node.js and npm in /usr/local, with the libraries that the tree below lacks.
func (t tree) addNode(ctx context.Context, below tree) error {
	program, err := exec.LookPath("node")
	if err != nil {
		return err
	}
	if program, err = filepath.EvalSymlinks(program); err != nil {
		return err
	}
	for _, name := range []string{"usr/local", "usr/local/bin", "usr/local/lib", "usr/local/lib/node_modules"} {
		t.dir(name, 0o755)
	}
	if err := t.addFile("usr/local/bin/node", program); err != nil {
		return err
	}
	if err := t.addLibraries(ctx, program, below); err != nil {
		return err
	}
	npm, err := npmFolder(ctx)
	if err != nil {
		return err
	}
	if err := t.addFolder("usr/local/lib/node_modules/npm", npm); err != nil {
		return err
	}
	for name := range t {
		// npm's own manual is of no use in a container.
		if strings.HasPrefix(name, "usr/local/lib/node_modules/npm/docs/") || strings.HasPrefix(name, "usr/local/lib/node_modules/npm/man/") {
			delete(t, name)
		}
	}
	t["usr/local/bin/npm"] = file{mode: 0o777, kind: '2', link: "../lib/node_modules/npm/bin/npm-cli.js"}
	t["usr/local/bin/npx"] = file{mode: 0o777, kind: '2', link: "../lib/node_modules/npm/bin/npx-cli.js"}
	t.dir("home/node", 0o755)
	return nil
}

// addLibraries adds the shared libraries of a program. Debian's own node has many, a downloaded one only the C library's.
func (t tree) addLibraries(ctx context.Context, program string, below tree) error {
	out, err := exec.CommandContext(ctx, "ldd", program).Output()
	if err != nil {
		return fmt.Errorf("list the libraries of %s: %w", program, err)
	}
	for line := range strings.Lines(string(out)) {
		_, library, found := strings.Cut(line, " => ")
		if !found {
			continue
		}
		library, _, _ = strings.Cut(library, " ")
		name := place(library)
		if _, ok := below[name]; ok {
			continue
		}
		if err := t.addFile(name, library); err != nil {
			return err
		}
	}
	return nil
}

// npmFolder finds an npm that carries its own dependencies. Debian's package does not; then the registry's is fetched.
func npmFolder(ctx context.Context) (string, error) {
	root, err := exec.CommandContext(ctx, "npm", "root", "--global").Output()
	if err != nil {
		return "", fmt.Errorf("ask npm where it is: %w", err)
	}
	for _, folder := range []string{filepath.Join(strings.TrimSpace(string(root)), "npm"), "/usr/lib/node_modules/npm"} {
		if _, err := os.Stat(filepath.Join(folder, "node_modules", "semver")); err == nil {
			return folder, nil
		}
	}
	version, err := exec.CommandContext(ctx, "npm", "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask npm for its version: %w", err)
	}
	folder, err := os.MkdirTemp("", "leeward-npm-")
	if err != nil {
		return "", err
	}
	err = run(ctx, folder, "npm", "install", "--no-save", "--no-audit", "--no-fund", "--prefix", folder, "npm@"+strings.TrimSpace(string(version)))
	return filepath.Join(folder, "node_modules", "npm"), err
}

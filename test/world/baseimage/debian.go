package baseimage

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// slimPackages are what a small Debian with a shell and Node.js's libraries is made of. Nothing of them runs when they
// are unpacked, so each must work without its installation script.
var slimPackages = []string{
	"base-files", "bash", "coreutils", "dash", "debianutils", "findutils", "gcc-12-base", "grep", "gzip", "hostname",
	"libacl1", "libattr1", "libc-bin", "libc6", "libgcc-s1", "libgmp10", "libpcre2-8-0", "libselinux1", "libstdc++6",
	"libtinfo6", "netbase", "sed", "tar", "zlib1g",
}

// fullPackages are added for the full image: what building native modules starts with. Docker Hub's has a compiler too.
var fullPackages = []string{
	"libexpat1", "libncursesw6", "libproc2-0", "libpython3.11-minimal", "libssl3", "make", "procps", "python3-minimal", "python3.11-minimal",
}

// nginxPackages are Debian's Nginx and the libraries it needs.
var nginxPackages = []string{"libcrypt1", "libpcre2-8-0", "libssl3", "nginx", "nginx-common"}

// download fetches packages into a folder, unless they are there, and returns their files in order of name.
func download(ctx context.Context, folder string, packages []string) ([]string, error) {
	// The folder is named for the list, and made under another name, so a half download or an older list is never used.
	sum := sha256.Sum256([]byte(strings.Join(packages, " ")))
	done := filepath.Join(folder, "packages-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(done); errors.Is(err, os.ErrNotExist) {
		doing := done + ".new"
		if err := errors.Join(os.RemoveAll(doing), os.MkdirAll(doing, 0o755)); err != nil {
			return nil, err
		}
		if err := aptDownload(ctx, doing, packages); err != nil {
			return nil, err
		}
		if err := os.Rename(doing, done); err != nil {
			return nil, err
		}
	}
	files, err := filepath.Glob(filepath.Join(done, "*.deb"))
	if err == nil && len(files) != len(packages) {
		err = fmt.Errorf("%s holds %d packages, want %d; remove it and try again", done, len(files), len(packages))
	}
	slices.Sort(files)
	return files, err
}

// aptDownload tries once more with fresh lists: old ones name files that the mirror has replaced.
func aptDownload(ctx context.Context, folder string, packages []string) error {
	args := append([]string{"--quiet=2", "-o", "APT::Sandbox::User=root", "download"}, packages...)
	if run(ctx, folder, "apt-get", args...) == nil {
		return nil
	}
	if err := run(ctx, folder, "apt-get", "--quiet=2", "update"); err != nil {
		return err
	}
	return run(ctx, folder, "apt-get", args...)
}

func run(ctx context.Context, folder, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// packageVersion is the version of the program in a package, as its makers count, from the name of the package's file.
func packageVersion(files []string, name string) (string, error) {
	for _, file := range files {
		if rest, ok := strings.CutPrefix(filepath.Base(file), name+"_"); ok {
			version, _, _ := strings.Cut(rest, "-")
			return version, nil
		}
	}
	return "", fmt.Errorf("no package %s was downloaded", name)
}

func (t tree) addPackages(ctx context.Context, files []string) error {
	for _, file := range files {
		if err := t.addPackage(ctx, file); err != nil {
			return err
		}
	}
	return nil
}

// addPackage adds the files of a Debian package.
func (t tree) addPackage(ctx context.Context, file string) error {
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", file)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	// dpkg-deb stops at a closed pipe, so the rest need not be read when addTar gives up.
	err = errors.Join(t.addTar(bufio.NewReaderSize(out, 1<<16)), out.Close(), cmd.Wait())
	if err != nil {
		return fmt.Errorf("unpack %s: %w", file, err)
	}
	return nil
}

// certificates is this machine's bundle, which knows the authorities that the package registries in reach are signed by.
const certificates = "etc/ssl/certs/ca-certificates.crt"

// addSystem adds what the packages' installation scripts would have made.
func (t tree) addSystem() error {
	if _, ok := t["usr/bin/sh"]; !ok {
		t["usr/bin/sh"] = file{mode: 0o777, kind: '2', link: "dash"}
	}
	t.text("etc/passwd", "root:x:0:0:root:/root:/bin/bash\nnode:x:1000:1000::/home/node:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n")
	t.text("etc/group", "root:x:0:\nnode:x:1000:\nnogroup:x:65534:\n")
	t.text("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
	for _, name := range []string{"etc/ssl", "etc/ssl/certs"} {
		t.dir(name, 0o755)
	}
	return t.addFile(certificates, "/"+certificates)
}

// codename is the name of the Debian release that the packages come from.
func codename() (string, error) {
	text, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "VERSION_CODENAME="); ok {
			return strings.Trim(name, `"`), nil
		}
	}
	return "", errors.New("/etc/os-release names no VERSION_CODENAME")
}

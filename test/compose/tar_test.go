package compose_test

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// rootfs writes a container's file system as a tar, from files of this machine. Its methods remember the first error.
type rootfs struct {
	w    *tar.Writer
	seen map[string]bool
	err  error
}

func newRootfs(w io.Writer) *rootfs { return &rootfs{w: tar.NewWriter(w), seen: map[string]bool{}} }

func (r *rootfs) close() error { return errors.Join(r.err, r.w.Close()) }

// parents adds the folders above a name.
func (r *rootfs) parents(name string) {
	var above []string
	for dir := filepath.Dir(name); dir != "." && dir != "/"; dir = filepath.Dir(dir) {
		above = append(above, dir)
	}
	for _, dir := range slices.Backward(above) {
		r.dir(dir)
	}
}

func (r *rootfs) dir(name string) {
	name = strings.TrimPrefix(name, "/")
	if r.err != nil || r.seen[name] {
		return
	}
	r.parents(name)
	r.seen[name] = true
	r.err = r.w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755})
}

func (r *rootfs) link(name, target string) {
	name = strings.TrimPrefix(name, "/")
	if r.err != nil || r.seen[name] {
		return
	}
	r.parents(name)
	r.seen[name] = true
	r.err = r.w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777})
}

// file adds a file of this machine under a name, links followed.
func (r *rootfs) file(name, source string) {
	name = strings.TrimPrefix(name, "/")
	if r.err != nil || r.seen[name] {
		return
	}
	r.parents(name)
	r.seen[name] = true
	f, err := os.Open(source)
	if err != nil {
		r.err = err
		return
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		r.err = err
		return
	}
	if r.err = r.w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: info.Size(), Mode: int64(info.Mode().Perm()), ModTime: info.ModTime()}); r.err == nil {
		_, r.err = io.Copy(r.w, f)
	}
}

// tree adds a folder of this machine and what keep says of what is below it; a folder that is not kept is not entered.
func (r *rootfs) tree(name, source string, keep func(path string, entry fs.DirEntry) bool) {
	if r.err != nil {
		return
	}
	r.err = errors.Join(r.err, filepath.WalkDir(source, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		switch {
		case path != source && !keep(path, entry):
			if entry.IsDir() {
				return fs.SkipDir
			}
		case entry.IsDir():
			r.dir(filepath.Join(name, below))
		default:
			r.file(filepath.Join(name, below), path)
		}
		return r.err
	}))
}

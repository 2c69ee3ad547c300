package baseimage

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// tree is the content of a layer: cleaned path to file. Written out in order of path, with one time for all files and
// root as their owner, so that the same files give the same bytes.
type tree map[string]file

type file struct {
	mode fs.FileMode // permissions and setuid, setgid, sticky
	kind byte        // of tar
	link string
	data []byte
}

// merged are the folders that Debian keeps below /usr, with links to them from the root.
var merged = []string{"bin", "sbin", "lib", "lib64"}

func newRootFS() tree {
	t := tree{}
	for _, name := range merged {
		t.dir("usr/"+name, 0o755)
		t[name] = file{mode: 0o777, kind: tar.TypeSymlink, link: "usr/" + name}
	}
	for _, name := range []string{"dev", "etc", "home", "proc", "run", "sys", "var", "var/log"} {
		t.dir(name, 0o755)
	}
	t.dir("root", 0o700)
	t.dir("tmp", 0o777|fs.ModeSticky)
	t.dir("var/tmp", 0o777|fs.ModeSticky)
	return t
}

func (t tree) dir(name string, mode fs.FileMode) {
	t[name] = file{mode: mode, kind: tar.TypeDir}
}

func (t tree) text(name, text string) {
	t[name] = file{mode: 0o644, kind: tar.TypeReg, data: []byte(text)}
}

// place is where a path goes: below /usr for the merged folders.
func place(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	first, rest, deeper := strings.Cut(name, "/")
	if deeper && slices.Contains(merged, first) {
		return "usr/" + first + "/" + rest
	}
	return name
}

// unneeded are the folders that slim images of Debian leave out.
var unneeded = []string{"usr/share/doc/", "usr/share/man/", "usr/share/info/", "usr/share/locale/", "usr/share/lintian/"}

// addTar adds what a package holds.
func (t tree) addTar(r io.Reader) error {
	for archive := tar.NewReader(r); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := place(header.Name)
		if name == "" || slices.Contains(merged, name) || slices.ContainsFunc(unneeded, func(p string) bool { return strings.HasPrefix(name, p) }) {
			continue
		}
		f := file{mode: header.FileInfo().Mode() &^ fs.ModeType, kind: header.Typeflag, link: header.Linkname}
		if header.Typeflag == tar.TypeLink {
			f.link = place(header.Linkname)
		}
		if header.Typeflag == tar.TypeReg {
			if f.data, err = io.ReadAll(archive); err != nil {
				return err
			}
		}
		t[name] = f
	}
}

// addFile adds a file of this machine, links followed.
func (t tree) addFile(name, from string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	t[name] = file{mode: info.Mode().Perm(), kind: tar.TypeReg, data: data}
	return nil
}

// addFolder adds a folder of this machine with all below it.
func (t tree) addFolder(name, from string) error {
	return filepath.WalkDir(from, func(at string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(from, at)
		if err != nil {
			return err
		}
		to := path.Join(name, filepath.ToSlash(below))
		switch entry.Type() {
		case fs.ModeDir:
			t.dir(to, 0o755)
		case fs.ModeSymlink:
			link, err := os.Readlink(at)
			if err != nil {
				return err
			}
			t[to] = file{mode: 0o777, kind: tar.TypeSymlink, link: link}
		case 0:
			return t.addFile(to, at)
		}
		return nil
	})
}

// without removes what another tree has just the same, and leaves what a layer above it must hold.
func (t tree) without(base tree) {
	for name := range t {
		if _, ok := base[name]; ok {
			delete(t, name)
		}
	}
}

func (t tree) write(w io.Writer) error {
	archive := tar.NewWriter(w)
	for _, name := range slices.Sorted(maps.Keys(t)) {
		f := t[name]
		header := &tar.Header{Name: name, Typeflag: f.kind, Linkname: f.link, Mode: int64(f.mode.Perm()), Size: int64(len(f.data)), ModTime: time.Unix(0, 0), Format: tar.FormatPAX}
		for bit, mask := range map[fs.FileMode]int64{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
			if f.mode&bit != 0 {
				header.Mode |= mask
			}
		}
		if f.kind == tar.TypeDir {
			header.Name += "/"
		}
		if err := archive.WriteHeader(header); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		if _, err := archive.Write(f.data); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return archive.Close()
}

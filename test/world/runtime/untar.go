package runtime

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// In a layer's tar, a file with this prefix says that the layers below lose a file; this name, all of a folder.
const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"
)

// untar unpacks a layer into a folder, in the form that overlayfs stacks. Nothing is written outside the folder,
// whatever the archive says, and devices are left out.
func untar(r io.Reader, folder string) error {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	u := unpacker{root: root}
	defer u.close()
	for archive := tar.NewReader(r); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			// What follows the archive is read too, because the digest is checked at the end of the stream.
			_, err := io.Copy(io.Discard, r)
			return err
		}
		if err != nil {
			return err
		}
		if err := u.add(header, archive); err != nil {
			return fmt.Errorf("%s: %w", header.Name, err)
		}
	}
}

// unpacker keeps the folder of the last file open, since archives are in order of folder and the way down is long.
type unpacker struct {
	root   *os.Root
	name   string
	folder *os.Root
}

func (u *unpacker) close() {
	if u.folder != nil {
		_ = u.folder.Close()
	}
	_ = u.root.Close()
}

// enter opens a folder, made if it is missing.
func (u *unpacker) enter(name string) (*os.Root, error) {
	if u.folder != nil && u.name == name {
		return u.folder, nil
	}
	if err := u.root.MkdirAll(name, 0o755); err != nil {
		return nil, err
	}
	folder, err := u.root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	if u.folder != nil {
		_ = u.folder.Close()
	}
	u.name, u.folder = name, folder
	return folder, nil
}

func (u *unpacker) add(header *tar.Header, content io.Reader) error {
	at := clean(header.Name)
	if at == "" {
		return nil
	}
	above, name := path.Split(at)
	folder, err := u.enter(path.Clean(above))
	if err != nil {
		return err
	}
	switch {
	case name == opaque:
		return with(folder, func(fd int) error { return unix.Fsetxattr(fd, "trusted.overlay.opaque", []byte("y"), 0) })
	case strings.HasPrefix(name, whiteout):
		return with(folder, func(fd int) error { return unix.Mknodat(fd, strings.TrimPrefix(name, whiteout), unix.S_IFCHR, 0) })
	}
	if err := place(u.root, folder, name, header, content); err != nil {
		return err
	}
	if header.Typeflag != tar.TypeReg && header.Typeflag != tar.TypeDir {
		return nil
	}
	if header.Uid != 0 || header.Gid != 0 {
		if err := folder.Lchown(name, header.Uid, header.Gid); err != nil {
			return err
		}
	}
	// No set-user-id: no container has a use for it.
	return folder.Chmod(name, header.FileInfo().Mode()&(os.ModePerm|os.ModeSticky))
}

// clean is a name of an archive as a path below the root.
func clean(name string) string {
	return strings.TrimPrefix(path.Clean("/"+name), "/")
}

// place makes the file; where one is of that name already, the later one of the archive wins.
func place(root, folder *os.Root, name string, header *tar.Header, content io.Reader) error {
	var put func() error
	switch header.Typeflag {
	case tar.TypeDir:
		return folder.MkdirAll(name, 0o755)
	case tar.TypeReg:
		put = func() error { return write(folder, name, content) }
	case tar.TypeSymlink:
		put = func() error { return folder.Symlink(header.Linkname, name) }
	case tar.TypeLink:
		put = func() error { return root.Link(clean(header.Linkname), clean(header.Name)) }
	default:
		return nil
	}
	err := put()
	if errors.Is(err, os.ErrExist) {
		if err := folder.RemoveAll(name); err != nil {
			return err
		}
		err = put()
	}
	return err
}

func write(root *os.Root, name string, content io.Reader) error {
	file, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, content); err != nil {
		return errors.Join(err, file.Close())
	}
	return file.Close()
}

// with calls a function with the folder's file descriptor.
func with(folder *os.Root, do func(fd int) error) error {
	file, err := folder.Open(".")
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	return do(int(file.Fd()))
}

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
	defer root.Close()
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
		if err := add(root, header, archive); err != nil {
			return fmt.Errorf("%s: %w", header.Name, err)
		}
	}
}

func add(root *os.Root, header *tar.Header, content io.Reader) error {
	name := strings.TrimPrefix(path.Clean("/"+header.Name), "/")
	if name == "" {
		return nil
	}
	folder, base := path.Split(name)
	folder = path.Clean(folder)
	if err := root.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	switch {
	case base == opaque:
		return inFolder(root, folder, func(fd int) error { return unix.Fsetxattr(fd, "trusted.overlay.opaque", []byte("y"), 0) })
	case strings.HasPrefix(base, whiteout):
		hidden := strings.TrimPrefix(base, whiteout)
		return inFolder(root, folder, func(fd int) error { return unix.Mknodat(fd, hidden, unix.S_IFCHR, 0) })
	}
	if header.Typeflag != tar.TypeDir {
		// A later entry of the same name wins.
		if err := root.RemoveAll(name); err != nil {
			return err
		}
	}
	switch header.Typeflag {
	case tar.TypeDir:
		if err := root.MkdirAll(name, 0o755); err != nil {
			return err
		}
	case tar.TypeReg:
		if err := write(root, name, content); err != nil {
			return err
		}
	case tar.TypeSymlink:
		if err := root.Symlink(header.Linkname, name); err != nil {
			return err
		}
		return root.Lchown(name, header.Uid, header.Gid)
	case tar.TypeLink:
		return root.Link(strings.TrimPrefix(path.Clean("/"+header.Linkname), "/"), name)
	default:
		return nil
	}
	if err := root.Lchown(name, header.Uid, header.Gid); err != nil {
		return err
	}
	// No set-user-id: no container has a use for it.
	return root.Chmod(name, header.FileInfo().Mode()&(os.ModePerm|os.ModeSticky))
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

func inFolder(root *os.Root, folder string, do func(fd int) error) error {
	file, err := root.Open(folder)
	if err != nil {
		return err
	}
	defer file.Close()
	return do(int(file.Fd()))
}

package runtime_test

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/leeward-failover/leeward/test/world/runtime"
)

func TestUntarStaysInItsFolder(t *testing.T) {
	outside := t.TempDir()
	for name, entries := range map[string][]tar.Header{
		"dots":                    {{Name: "../../../../../../.." + outside + "/file", Typeflag: tar.TypeReg}},
		"through a link":          {{Name: "way", Typeflag: tar.TypeSymlink, Linkname: outside}, {Name: "way/file", Typeflag: tar.TypeReg}},
		"through a relative link": {{Name: "way", Typeflag: tar.TypeSymlink, Linkname: "../../../../../.." + outside}, {Name: "way/file", Typeflag: tar.TypeReg}},
		"hard link":               {{Name: "file", Typeflag: tar.TypeLink, Linkname: "../../../../../../etc/passwd"}},
		"mode through a link":     {{Name: "way", Typeflag: tar.TypeSymlink, Linkname: outside}, {Name: "way", Typeflag: tar.TypeDir, Mode: 0o777}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Log(runtime.Untar(archive(t, entries), t.TempDir())) // an error or a file inside, either is well
			found, err := os.ReadDir(outside)
			if err != nil || len(found) > 0 {
				t.Errorf("files outside: %v, %v", found, err)
			}
			if info, err := os.Stat(outside); err != nil || info.Mode().Perm() == 0o777 {
				t.Errorf("the folder outside was changed: %v, %v", info.Mode(), err)
			}
		})
	}
}

func TestUntarTurnsWhiteoutsIntoOverlays(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("whiteouts are device nodes, which need root")
	}
	folder := t.TempDir()
	err := runtime.Untar(archive(t, []tar.Header{
		{Name: "etc/.wh.motd", Typeflag: tar.TypeReg},
		{Name: "opt/.wh..wh..opq", Typeflag: tar.TypeReg},
		{Name: "sbin/su", Typeflag: tar.TypeReg, Mode: 0o4755},
	}), folder)
	if err != nil {
		t.Fatal(err)
	}
	var gone unix.Stat_t
	if err := unix.Lstat(filepath.Join(folder, "etc/motd"), &gone); err != nil || gone.Mode&unix.S_IFMT != unix.S_IFCHR || gone.Rdev != 0 {
		t.Errorf("a whiteout is mode %o, device %d (%v), want a character device 0", gone.Mode, gone.Rdev, err)
	}
	value := make([]byte, 8)
	if n, err := unix.Getxattr(filepath.Join(folder, "opt"), "trusted.overlay.opaque", value); err != nil || string(value[:n]) != "y" {
		t.Errorf("an opaque folder has mark %q, %v", value[:max(n, 0)], err)
	}
	if info, err := os.Stat(filepath.Join(folder, "sbin/su")); err != nil || info.Mode() != 0o755 {
		t.Errorf("a set-user-id program has mode %v, %v, want 0755", info.Mode(), err)
	}
}

func archive(t *testing.T, entries []tar.Header) *bytes.Buffer {
	t.Helper()
	var data bytes.Buffer
	w := tar.NewWriter(&data)
	for _, header := range entries {
		if header.Mode == 0 {
			header.Mode = 0o644
		}
		if err := w.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &data
}

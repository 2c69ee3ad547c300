package source

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"

	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"
)

// contentHash hashes named parts with their lengths, so that no two lists of parts are one text.
type contentHash struct{ hash.Hash }

func newHash() contentHash { return contentHash{sha256.New()} }

func (h contentHash) add(parts ...string) {
	for _, p := range parts {
		_, _ = fmt.Fprintf(h, "%d:%s", len(p), p)
	}
}

func (h contentHash) sum() string { return hex.EncodeToString(h.Sum(nil)) }

// file adds one entry of a context. Times and owners are left out: a fresh checkout of the same commit is the same context.
func (h contentHash) file(files fsutil.FS, path string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	link := ""
	if stat, ok := info.Sys().(*types.Stat); ok {
		link = stat.Linkname
	}
	h.add(path, (info.Mode().Type() | info.Mode().Perm()&0o111).String(), link)
	if !info.Mode().IsRegular() || link != "" {
		return nil
	}
	f, err := files.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	content := newHash()
	if _, err := io.Copy(content, f); err != nil {
		return err
	}
	h.add(content.sum())
	return nil
}

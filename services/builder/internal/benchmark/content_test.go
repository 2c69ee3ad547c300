package benchmark_test

import (
	"archive/tar"
	"bytes"
	"io"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/leeward-failover/leeward/services/builder/internal/benchmark"
)

// file is a file of a layer; a name that ends with a slash is a folder.
type file struct {
	name, text string
	mode       int64
}

func layerOf(t *testing.T, files ...file) v1.Layer {
	t.Helper()
	var data bytes.Buffer
	w := tar.NewWriter(&data)
	for _, f := range files {
		header := &tar.Header{Name: f.name, Mode: max(f.mode, 0o644), Size: int64(len(f.text)), Typeflag: tar.TypeReg}
		if f.name[len(f.name)-1] == '/' {
			header.Typeflag, header.Mode = tar.TypeDir, 0o755
		}
		if err := w.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, f.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	return layer
}

func TestWastedBytesAreThoseALaterLayerHidesOrWritesAgain(t *testing.T) {
	first := []file{{"etc/", "", 0}, {"etc/motd", "12345", 0}, {"opt/", "", 0}, {"opt/a", "123", 0}, {"opt/deep/b", "1234", 0}}
	for name, c := range map[string]struct {
		second []file
		want   benchmark.Content
	}{
		"nothing in common":       {[]file{{"srv/x", "1", 0}}, benchmark.Content{Bytes: 13}},
		"a folder that is there":  {[]file{{"opt/", "", 0}}, benchmark.Content{Bytes: 12}},
		"written again":           {[]file{{"./etc/motd", "1", 0}}, benchmark.Content{Bytes: 13, WastedBytes: 5}},
		"hidden":                  {[]file{{"etc/.wh.motd", "", 0}}, benchmark.Content{Bytes: 12, WastedBytes: 5}},
		"a folder hidden":         {[]file{{".wh.opt", "", 0}}, benchmark.Content{Bytes: 12, WastedBytes: 7}},
		"a folder hidden whole":   {[]file{{"opt/.wh..wh..opq", "", 0}, {"opt/a", "12", 0}}, benchmark.Content{Bytes: 14, WastedBytes: 7}},
		"whole, but told later":   {[]file{{"opt/a", "12", 0}, {"opt/.wh..wh..opq", "", 0}}, benchmark.Content{Bytes: 14, WastedBytes: 7}},
		"a file over a folder":    {[]file{{"opt", "12", 0}}, benchmark.Content{Bytes: 14, WastedBytes: 7}},
		"a folder over a file":    {[]file{{"etc/motd/", "", 0}}, benchmark.Content{Bytes: 12, WastedBytes: 5}},
		"twice in a layer":        {[]file{{"x", "12", 0}, {"x", "123", 0}}, benchmark.Content{Bytes: 17, WastedBytes: 2}},
		"hidden and written anew": {[]file{{"etc/.wh.motd", "", 0}, {"etc/motd", "1", 0}}, benchmark.Content{Bytes: 13, WastedBytes: 5}},
		"what was never there":    {[]file{{"usr/.wh.gone", "", 0}}, benchmark.Content{Bytes: 12}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := benchmark.Read([]v1.Layer{layerOf(t, first...), layerOf(t, c.second...)})
			if err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

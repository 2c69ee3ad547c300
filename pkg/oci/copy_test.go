package oci_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/leeward-failover/leeward/pkg/oci"
)

func TestCopyKeepsTheDigestAndVerifyFindsItWhole(t *testing.T) {
	from, to := repository(t, serve(t)), repository(t, serve(t))
	digest := pushTo(t, from)
	if err := oci.Verify(t.Context(), to, digest); !errors.Is(err, oci.ErrIncomplete) || !errors.Is(err, oci.ErrNotFound) {
		t.Errorf("before the copy: got %v, want %v", err, oci.ErrIncomplete)
	}
	if err := oci.Copy(t.Context(), from, to, digest, "slim-1"); err != nil {
		t.Fatal(err)
	}
	if err := oci.Verify(t.Context(), to, digest); err != nil {
		t.Errorf("after the copy: %v", err)
	}
	got, _, err := oci.Resolve(t.Context(), "http://"+to.RegistryStr(), to.RepositoryStr(), "slim-1")
	if err != nil || got != digest {
		t.Errorf("tag: got %s and %v, want %s", got, err, digest)
	}
}

func TestVerifySeesALostBlobAndCopyBringsItBack(t *testing.T) {
	from := repository(t, serve(t))
	digest := pushTo(t, from)
	image, err := oci.Inspect(t.Context(), from, digest)
	if err != nil {
		t.Fatal(err)
	}
	blobs := http.Handler(registry.New())
	var lost atomic.Pointer[string]
	lost.Store(new(string))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch blob := *lost.Load(); {
		case blob != "" && r.Method == http.MethodPost:
			// Whoever starts to send a blob brings it back.
			lost.Store(new(string))
		case blob != "" && strings.HasSuffix(r.URL.Path, "/blobs/"+blob):
			w.WriteHeader(http.StatusNotFound)
			return
		}
		blobs.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	to := repository(t, server.URL)
	if err := oci.Copy(t.Context(), from, to, digest, "v1"); err != nil {
		t.Fatal(err)
	}
	lost.Store(&image.Layers[0].Digest)
	if err := oci.Verify(t.Context(), to, digest); !errors.Is(err, oci.ErrIncomplete) {
		t.Errorf("lost blob: got %v, want %v", err, oci.ErrIncomplete)
	}
	if err := oci.Copy(t.Context(), from, to, digest, "v1"); err != nil {
		t.Fatal(err)
	}
	if err := oci.Verify(t.Context(), to, digest); err != nil {
		t.Errorf("after the second copy: %v", err)
	}
}

func TestVerifyTellsNothingOfARegistryThatIsAway(t *testing.T) {
	for name, url := range map[string]string{
		"refused": "http://127.0.0.1:1",
		"in trouble": func() string {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
			t.Cleanup(server.Close)
			return server.URL
		}(),
	} {
		err := oci.Verify(t.Context(), repository(t, url), "sha256:"+strings.Repeat("a", 64))
		if err == nil || errors.Is(err, oci.ErrIncomplete) || !oci.Unreachable(err) {
			t.Errorf("%s: got %v, want an error that is unreachable and not %v", name, err, oci.ErrIncomplete)
		}
	}
}

func TestVerifyRefusesARegistryThatNamesAnotherDigest(t *testing.T) {
	inner := http.Handler(registry.New())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead && strings.Contains(r.URL.Path, "/manifests/sha256:") {
			recorded := httptest.NewRecorder()
			inner.ServeHTTP(recorded, r)
			for k, v := range recorded.Header() {
				w.Header()[k] = v
			}
			w.Header().Set("Docker-Content-Digest", "sha256:"+strings.Repeat("b", 64))
			w.WriteHeader(recorded.Code)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	repo := repository(t, server.URL)
	if err := oci.Verify(t.Context(), repo, pushTo(t, repo)); !errors.Is(err, oci.ErrIncomplete) {
		t.Errorf("got %v, want %v", err, oci.ErrIncomplete)
	}
}

func TestInspectWeighsThePlatformImage(t *testing.T) {
	repo := repository(t, serve(t))
	image, err := oci.Inspect(t.Context(), repo, pushTo(t, repo))
	if err != nil {
		t.Fatal(err)
	}
	var layers uint64
	for _, l := range image.Layers {
		layers += l.SizeBytes
	}
	if len(image.Layers) != 2 || image.SizeBytes <= layers {
		t.Errorf("got %+v, want two layers and a size that counts the config too", image)
	}
}

func repository(t *testing.T, url string) name.Repository {
	t.Helper()
	repo, err := oci.Repository(url, "team/app")
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

func pushTo(t *testing.T, repo name.Repository) string {
	t.Helper()
	digest, err := push(t, "http://"+repo.RegistryStr(), repo.RepositoryStr(), "source").Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest.String()
}

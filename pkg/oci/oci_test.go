package oci_test

import (
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/leeward-failover/leeward/pkg/oci"
)

func TestResolveAnswersTheDigestBehindATag(t *testing.T) {
	url := serve(t)
	index := push(t, url, "team/app", "v1")
	digest, mediaType, err := oci.Resolve(t.Context(), url, "team/app", "v1")
	if err != nil {
		t.Fatal(err)
	}
	want, _ := index.Digest()
	wantType, _ := index.MediaType()
	if digest != want.String() || mediaType != string(wantType) {
		t.Errorf("resolved %s (%s), want %s (%s)", digest, mediaType, want, wantType)
	}
}

func TestResolveTellsAMissingTagFromAMissingRegistry(t *testing.T) {
	url := serve(t)
	if _, _, err := oci.Resolve(t.Context(), url, "team/app", "v1"); !errors.Is(err, oci.ErrNotFound) {
		t.Errorf("missing tag: got %v, want %v", err, oci.ErrNotFound)
	}
	if _, _, err := oci.Resolve(t.Context(), "http://127.0.0.1:1", "team/app", "v1"); err == nil || errors.Is(err, oci.ErrNotFound) {
		t.Errorf("missing registry: got %v, want an error that is not %v", err, oci.ErrNotFound)
	}
}

func TestHostRefusesWhatIsNoBaseURL(t *testing.T) {
	for _, bad := range []string{"", "10.88.0.1:5000", "ftp://registry.example", "http://"} {
		if host, err := oci.Host(bad); err == nil {
			t.Errorf("%q: got host %q, want an error", bad, host)
		}
	}
	if host, err := oci.Host("http://10.88.0.1:5000/"); err != nil || host != "10.88.0.1:5000" {
		t.Errorf("got %q and %v, want 10.88.0.1:5000", host, err)
	}
}

// serve starts an empty registry and returns its base URL.
func serve(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	return server.URL
}

// push stores an index of two images under a tag.
func push(t *testing.T, url, repository, tag string) v1.ImageIndex {
	t.Helper()
	index, err := random.Index(2048, 2, 2)
	if err != nil {
		t.Fatal(err)
	}
	host, err := oci.Host(url)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.NewTag(host+"/"+repository+":"+tag, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(ref, index); err != nil {
		t.Fatal(err)
	}
	return index
}

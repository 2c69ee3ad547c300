package probe_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/leeward-failover/leeward/schemas"
)

// shelf is a registry that tells what it was asked, and behaves as it is told to.
type shelf struct {
	*site
	mu     sync.Mutex
	asked  []string
	before http.HandlerFunc
}

func serveRegistry(t testing.TB, start func(testing.TB, http.HandlerFunc, ...func(*httptest.Server)) *site) *shelf {
	t.Helper()
	images := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	s := &shelf{}
	s.site = start(t, func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.Method+" "+r.URL.Path+" "+r.RemoteAddr)
		before := s.before
		s.mu.Unlock()
		if before != nil {
			answered := &answered{ResponseWriter: w}
			if before(answered, r); answered.done {
				return
			}
		}
		images.ServeHTTP(w, r)
	})
	return s
}

type answered struct {
	http.ResponseWriter
	done bool
}

// WriteHeader notes that there is an answer.
func (a *answered) WriteHeader(status int) {
	a.done = true
	a.ResponseWriter.WriteHeader(status)
}

// set changes how the registry behaves, and forgets what it was asked.
func (s *shelf) set(before http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.asked = before, nil
}

// push puts an image into a repository.
func (s *shelf) push(t testing.TB, repository, tag string) {
	t.Helper()
	image, err := random.Image(100_000, 2)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.NewTag(s.host()+"/"+repository+":"+tag, name.Insecure)
	if err == nil {
		err = remote.Write(ref, image, remote.WithTransport(s.Client().Transport))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestRegistry(t *testing.T) {
	for name, start := range map[string]func(testing.TB, http.HandlerFunc, ...func(*httptest.Server)) *site{"plain": serve, "over TLS": serveTLS} {
		t.Run(name, func(t *testing.T) {
			s := serveRegistry(t, start)
			k := kit(t)
			of := checked(schemas.KindRegistry, s.URL+"/team/shop", schemas.HTTPCheck{})
			expectOf(t, k, of, schemas.BadStatus, `registry: the registry holds no image of variant "slim" yet`)
			s.push(t, "team/shop", "single-0123456789ab")
			s.push(t, "team/shop", "slim-latest")
			expectOf(t, k, of, schemas.BadStatus, `registry: the registry holds no image of variant "slim" yet`)
			s.push(t, "team/shop", "slim-0123456789ab")
			before := waiting(t, port(s.site))
			for i := range 3 {
				s.set(nil)
				sample := expectOf(t, k, of, schemas.OK, "")
				if sample.ConnectUS == 0 || sample.FirstByteUS == 0 || sample.TransferUS == 0 || (sample.TLSUS > 0) != (name == "over TLS") {
					t.Errorf("phases of %+v", sample)
				}
				expectWhole(t, sample)
				if asked := s.asked; i > 0 && (len(asked) != 2 || !strings.HasPrefix(asked[0], "HEAD /v2/team/shop/manifests/slim-0123456789ab ") ||
					!strings.HasPrefix(asked[1], "GET /v2/team/shop/blobs/sha256:") || asked[0][strings.LastIndex(asked[0], " "):] != asked[1][strings.LastIndex(asked[1], " "):]) {
					t.Errorf("a sample asked %q, want a manifest and a blob on one connection", asked)
				}
			}
			if n := waiting(t, port(s.site)); n > before {
				t.Errorf("%d connections wait for late packets, %d did before", n, before)
			}
		})
	}
}

func TestImageMayBeBuiltAgain(t *testing.T) {
	s := serveRegistry(t, serve)
	k := kit(t)
	of := checked(schemas.KindRegistry, s.URL+"/team/shop", schemas.HTTPCheck{})
	s.push(t, "team/shop", "slim-0123456789ab")
	expectOf(t, k, of, schemas.OK, "")
	// The layer of the image that the tag was of before is gone.
	const slow = 300 * time.Millisecond
	gone := strings.Fields(s.asked[len(s.asked)-1])[1]
	s.push(t, "team/shop", "slim-0123456789ab")
	s.set(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/manifests/") {
			time.Sleep(slow)
		}
		if r.URL.Path == gone {
			w.WriteHeader(http.StatusNotFound)
		}
	})
	sample := expectOf(t, k, of, schemas.OK, "")
	if sample.LatencyUS >= uint32(slow.Microseconds()) {
		t.Errorf("%+v counts the look for another layer", sample)
	}
	expectWhole(t, sample)
	// A tag that is gone is a failure, and the next sample finds another.
	s.set(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/manifests/slim-0123456789ab") {
			w.WriteHeader(http.StatusNotFound)
		}
		if strings.HasSuffix(r.URL.Path, "/tags/list") {
			w.WriteHeader(http.StatusOK)
			_, _ = fmt.Fprint(w, `{"name":"team/shop","tags":["slim-ba9876543210"]}`)
		}
	})
	s.push(t, "team/shop", "slim-ba9876543210")
	expectOf(t, k, of, schemas.BadStatus, "404 Not Found")
	expectOf(t, k, of, schemas.OK, "")
}

func TestLayersMayBeElsewhere(t *testing.T) {
	s := serveRegistry(t, serve)
	store := serve(t, says("x"))
	s.push(t, "team/shop", "slim-0123456789ab")
	s.set(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/blobs/") {
			w.Header().Set("Location", store.URL+"/blob")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}
	})
	sample := expectOf(t, kit(t), checked(schemas.KindRegistry, s.URL+"/team/shop", schemas.HTTPCheck{}), schemas.OK, "")
	if store.requests.Load() != 1 {
		t.Errorf("%d requests where the layers are, want 1", store.requests.Load())
	}
	expectWhole(t, sample)
}

func TestRegistryFails(t *testing.T) {
	s := serveRegistry(t, serve)
	k := kit(t)
	of := checked(schemas.KindRegistry, s.URL+"/team/shop", schemas.HTTPCheck{})
	s.push(t, "team/shop", "slim-0123456789ab")
	expectOf(t, k, of, schemas.OK, "")
	fail := func(method, path string, status int) {
		s.set(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == method && strings.Contains(r.URL.Path, path) {
				w.WriteHeader(status)
			}
		})
	}
	fail(http.MethodHead, "/manifests/", http.StatusServiceUnavailable)
	expectOf(t, k, of, schemas.BadStatus, "503 Service Unavailable")
	fail(http.MethodGet, "/blobs/", http.StatusNotFound)
	expectOf(t, k, of, schemas.BadStatus, "404 Not Found")
	s.set(nil)
	expectOf(t, k, of, schemas.OK, "")
	var silent atomic.Bool
	silent.Store(true)
	s.set(func(_ http.ResponseWriter, r *http.Request) {
		for silent.Load() && r.Context().Err() == nil {
			time.Sleep(5 * time.Millisecond)
		}
	})
	of.Timeout = timeout
	for range 2 {
		if sample := expectOf(t, k, of, schemas.TimedOut, "no answer in 300ms"); sample.ConnectUS == 0 && sample.LatencyUS < uint32(timeout.Microseconds()) {
			t.Errorf("phases of %+v", sample)
		}
	}
	// However many wait for an image to be found, none waits for long.
	fresh := kit(t)
	var work sync.WaitGroup
	started := time.Now()
	for range 20 {
		work.Go(func() {
			if m := fresh.Measure(context.Background(), of, time.Now()); m.Sample.Outcome != schemas.TimedOut {
				t.Errorf("%s: %v", m.Sample.Outcome, m.Err)
			}
		})
	}
	work.Wait()
	if took := time.Since(started); took > 10*timeout {
		t.Errorf("20 samples of a silent registry took %s", took)
	}
	silent.Store(false)
	s.Close()
	expectOf(t, k, of, schemas.Refused, "refused")
	expectOf(t, kit(t), of, schemas.Refused, "refused")
	stranger := httptest.NewTLSServer(says("ok"))
	t.Cleanup(stranger.Close)
	expectOf(t, k, checked(schemas.KindRegistry, stranger.URL+"/team/shop", schemas.HTTPCheck{}), schemas.TLSError, "unknown authority")
}

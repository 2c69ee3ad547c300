package verify_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/verify"
)

var london = schemas.Candidate{Region: "london", Variant: "slim"}

func serve(t *testing.T, answer func(http.ResponseWriter, *http.Request)) schemas.Verify {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(answer))
	t.Cleanup(s.Close)
	return schemas.Verify{URL: s.URL, Header: "X-Instance", Timeout: schemas.Duration(300 * time.Millisecond)}
}

func TestAnswerOfTheCandidateVerifies(t *testing.T) {
	var asked, connections atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		switch asked.Add(1) {
		case 1:
			w.Header().Set("X-Instance", "frankfurt/slim/1")
		case 2:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			w.Header().Set("X-Instance", "london/slim/7")
		}
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	if err := verify.Answers(t.Context(), schemas.Verify{URL: s.URL, Header: "X-Instance", Timeout: schemas.Duration(10 * time.Second)}, london); err != nil {
		t.Fatal(err)
	}
	if asked.Load() != 3 || connections.Load() != 3 {
		t.Errorf("asked %d times over %d connections, want 3 over 3", asked.Load(), connections.Load())
	}
}

func TestWrongAnswersDoNotVerify(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		says   string
	}{
		"another region":           {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Instance", "frankfurt/slim/1") }, `"frankfurt/slim/1" answered`},
		"a variant that begins so": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Instance", "london/slimmer/1") }, `"london/slimmer/1" answered`},
		"no name":                  {func(http.ResponseWriter, *http.Request) {}, `"" answered`},
		"the candidate with errors": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Instance", "london/slim/1")
			w.WriteHeader(http.StatusInternalServerError)
		}, `status 500 from "london/slim/1"`},
		"a redirect elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://example.com", http.StatusFound)
		}, "status 302"},
	} {
		t.Run(name, func(t *testing.T) {
			err := verify.Answers(t.Context(), serve(t, c.answer), london)
			if err == nil || !strings.Contains(err.Error(), "london/slim did not answer within 300ms") || !strings.Contains(err.Error(), c.says) {
				t.Errorf("verified = %v, want an error that says %q", err, c.says)
			}
		})
	}
}

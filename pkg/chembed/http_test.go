package chembed_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/leeward-failover/leeward/pkg/chembedtest"
)

// answer is what curl would show.
type answer struct {
	status int
	header http.Header
	body   string
	err    error // of reading the body: a result that was cut off
}

// ask posts a statement with the token; params is what stands in the URL.
func ask(ctx context.Context, e *chembedtest.Engine, params url.Values, body io.Reader) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+e.Addr()+"/?"+params.Encode(), body)
	if err != nil {
		return answer{}, err
	}
	req.SetBasicAuth("leeward", chembedtest.Token)
	return do(req)
}

func do(req *http.Request) (answer, error) {
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(text), err}, nil
}

// run is ask for a test that goes on only when the statement succeeds.
func run(t *testing.T, e *chembedtest.Engine, statement string, params ...string) string {
	t.Helper()
	a, err := ask(t.Context(), e, pairs(params...), strings.NewReader(statement))
	if err != nil || a.err != nil || a.status != http.StatusOK {
		t.Fatalf("%.100s: status %d, %v %v, %.300s", statement, a.status, err, a.err, a.body)
	}
	return a.body
}

func pairs(kv ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(kv); i += 2 {
		v.Set(kv[i], kv[i+1])
	}
	return v
}

// Package hook receives webhooks: it authenticates the sender before it reads the body, normalises what it understands and answers 2xx only once the bus has stored it.
package hook

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
)

// MaxBody is the largest body a webhook may have.
const MaxBody = 1 << 20

// storeWithin is how long the bus may take before the sender is told to try again.
const storeWithin = 5 * time.Second

// Hooks are the webhooks with what they need.
type Hooks struct {
	// Topology returns the accepted topology, an empty one before the first, or why it is not known yet.
	Topology func() (schemas.Topology, error)
	// Resolve asks a registry which digest a tag has.
	Resolve func(ctx context.Context, registry, repository, tag string) (digest, mediaType string, err error)
	Pushed  func(context.Context, schemas.ImagePushed) error
	Alerted func(context.Context, schemas.AlertReceived) error
	// An empty secret refuses the source.
	DistributionSecret, AlertmanagerSecret string
	Count                                  *prometheus.CounterVec
	Log                                    zerolog.Logger
}

// Metrics makes the counter of webhook events by source and result: stored, ignored or refused.
func Metrics(r *prometheus.Registry) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "leeward_gateway_webhook_events_total", Help: "Webhook events by source and result."}, []string{"source", "result"})
	r.MustRegister(c)
	return c
}

// Register adds the webhooks to a mux.
func (h Hooks) Register(mux *http.ServeMux) {
	mux.Handle("POST /hooks/registry/distribution", h.receive("distribution", h.DistributionSecret, h.distribution))
	mux.Handle("POST /hooks/alerts/alertmanager", h.receive("alertmanager", h.AlertmanagerSecret, h.alertmanager))
}

// call is one webhook call whose sender is known.
type call struct {
	at     time.Time
	body   []byte
	source string
}

// receive does what every webhook needs: the clock, the secret, the size limit, and the answer.
func (h Hooks) receive(source, secret string, handle func(context.Context, call) error) http.Handler {
	// There from the start, so that the first one is seen as an increase.
	for _, result := range []string{"stored", "ignored", "refused"} {
		h.Count.WithLabelValues(source, result)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := time.Now()
		err := authenticate(r, secret)
		var body []byte
		if err == nil {
			body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
		}
		if err == nil {
			ctx, cancel := context.WithTimeout(r.Context(), storeWithin)
			defer cancel()
			err = handle(ctx, call{at: at, body: body, source: source})
		}
		if err == nil {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		h.Count.WithLabelValues(source, "refused").Inc()
		p := problemOf(err)
		h.Log.Warn().Err(err).Str("source", source).Int("status", p.Status).Msg("webhook refused")
		p.write(w)
	})
}

var (
	errUnconfigured = errors.New("this webhook has no secret configured, so nothing can be accepted from it")
	errSecret       = errors.New("the bearer token is missing or wrong")
)

// authenticate compares the bearer token in constant time. A source without a secret is refused, whatever it sends.
func authenticate(r *http.Request, secret string) error {
	if secret == "" {
		return errUnconfigured
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	want, got := sha256.Sum256([]byte(secret)), sha256.Sum256([]byte(token))
	if !ok || subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
		return errSecret
	}
	return nil
}

// malformed says that a body is not what its source sends.
type malformed struct{ error }

func decode(body []byte, v any) error {
	if err := json.Unmarshal(body, v); err != nil {
		return malformed{fmt.Errorf("the body is not what this source sends: %w", err)}
	}
	return nil
}

// problem is an answer by RFC 9457.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

func problemOf(err error) problem {
	var tooLarge *http.MaxBytesError
	var bad malformed
	switch {
	case errors.Is(err, errUnconfigured):
		return problem{"Webhook not configured", http.StatusForbidden, err.Error()}
	case errors.Is(err, errSecret):
		return problem{"Not authenticated", http.StatusUnauthorized, err.Error()}
	case errors.As(err, &tooLarge):
		return problem{"Body too large", http.StatusRequestEntityTooLarge, fmt.Sprintf("a webhook body may have %d bytes", tooLarge.Limit)}
	case errors.Is(err, bus.ErrTooLarge):
		return problem{"Event too large", http.StatusRequestEntityTooLarge, err.Error()}
	case errors.As(err, &bad):
		return problem{"Malformed body", http.StatusBadRequest, err.Error()}
	default:
		return problem{"Not stored", http.StatusServiceUnavailable, "the event could not be stored; send it again: " + err.Error()}
	}
}

func (p problem) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/problem+json")
	if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

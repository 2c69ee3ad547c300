// Package hook receives webhooks: it authenticates the sender before it reads the body, normalises what it understands and answers 2xx only once the bus has stored it.
package hook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
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
	// Pushed, SourcePushed and Alerted return once the bus has stored an event.
	Pushed       func(context.Context, schemas.ImagePushed) error
	SourcePushed func(context.Context, schemas.SourcePushed) error
	Alerted      func(context.Context, schemas.AlertReceived) error
	Secrets      Secrets
	// Seen remembers when each source's calls were accepted.
	Seen  *Seen
	Count *prometheus.CounterVec
	Log   zerolog.Logger
}

// Secrets are what the sources share with us. An empty one refuses the source.
type Secrets struct {
	Distribution, DockerHub, GitHub                              string
	Alertmanager, Grafana, Pingdom, NewRelic, Dynatrace, Datadog string
}

// Sources names the sources that have a secret.
func (s Secrets) Sources() []string {
	var names []string
	for _, source := range []struct{ name, secret string }{
		{"distribution", s.Distribution}, {"dockerhub", s.DockerHub}, {"github", s.GitHub}, {"alertmanager", s.Alertmanager}, {"grafana", s.Grafana},
		{"pingdom", s.Pingdom}, {"newrelic", s.NewRelic}, {"dynatrace", s.Dynatrace}, {"datadog", s.Datadog},
	} {
		if source.secret != "" {
			names = append(names, source.name)
		}
	}
	return names
}

// Seen is when each source's calls were last accepted, as far as this process remembers.
type Seen struct{ last sync.Map }

func (s *Seen) note(source string, at time.Time) { s.last.Store(source, at) }

// Last is when a call of a source was last accepted; zero when none was.
func (s *Seen) Last(source string) time.Time {
	at, _ := s.last.Load(source)
	last, _ := at.(time.Time)
	return last
}

// Metrics makes the counter of webhook events by source and result: stored, ignored or refused.
func Metrics(r *prometheus.Registry) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "leeward_gateway_webhook_events_total", Help: "Webhook events by source and result."}, []string{"source", "result"})
	r.MustRegister(c)
	return c
}

// Register adds the webhooks to a mux.
func (h Hooks) Register(mux *http.ServeMux) {
	mux.Handle("POST /hooks/registry/distribution", h.receive("distribution", byBearer, h.Secrets.Distribution, h.distribution))
	mux.Handle("POST /hooks/registry/dockerhub/{secret}", h.receive("dockerhub", byPath, h.Secrets.DockerHub, h.dockerhub))
	mux.Handle("POST /hooks/registry/github", h.receive("github", byHMAC, h.Secrets.GitHub, h.githubRegistry))
	mux.Handle("POST /hooks/git/github", h.receive("github", byHMAC, h.Secrets.GitHub, h.githubSource))
	mux.Handle("POST /hooks/alerts/alertmanager", h.receive("alertmanager", byBearer, h.Secrets.Alertmanager, h.alertGroup))
	mux.Handle("POST /hooks/alerts/grafana", h.receive("grafana", byBearer, h.Secrets.Grafana, h.alertGroup))
	mux.Handle("POST /hooks/alerts/pingdom/{secret}", h.receive("pingdom", byPath, h.Secrets.Pingdom, h.reported(pingdom)))
	mux.Handle("POST /hooks/alerts/newrelic", h.receive("newrelic", byBearer, h.Secrets.NewRelic, h.reported(newRelic)))
	mux.Handle("POST /hooks/alerts/dynatrace", h.receive("dynatrace", byBearer, h.Secrets.Dynatrace, h.reported(dynatrace)))
	mux.Handle("POST /hooks/alerts/datadog", h.receive("datadog", byBearer, h.Secrets.Datadog, h.reported(datadog)))
}

// call is one webhook call whose sender is known.
type call struct {
	at       time.Time
	header   http.Header
	body     []byte
	source   string
	verified string
}

// hash is what tells one body from another.
func (c call) hash() string {
	sum := sha256.Sum256(c.body)
	return hex.EncodeToString(sum[:])
}

func (h Hooks) count(c call, result string) { h.Count.WithLabelValues(c.source, result).Inc() }

// receive does what every webhook needs: the clock, the proof of the sender, the size limit, and the answer. The address may hold a secret, so it is not logged.
func (h Hooks) receive(source string, from sender, secret string, handle func(context.Context, call) error) http.Handler {
	// There from the start, so that the first one is seen as an increase.
	for _, result := range []string{"stored", "ignored", "refused"} {
		h.Count.WithLabelValues(source, result)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := time.Now()
		body, err := from.admit(w, r, secret)
		if err == nil {
			ctx, cancel := context.WithTimeout(r.Context(), storeWithin)
			defer cancel()
			err = handle(ctx, call{at: at, header: r.Header, body: body, source: source, verified: from.verified})
		}
		if err == nil {
			h.Seen.note(source, at)
			w.WriteHeader(http.StatusAccepted)
			return
		}
		h.Count.WithLabelValues(source, "refused").Inc()
		p := problemOf(err)
		h.Log.Warn().Err(err).Str("source", source).Int("status", p.Status).Msg("webhook refused")
		p.write(w)
	})
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
	case errors.Is(err, errSecret), errors.Is(err, errPath), errors.Is(err, errSignature):
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

// Package alert tells Alertmanager of the anomalies that are open, again and again while they last, and that they are over. It decides nothing, and nobody waits for it.
package alert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/sethvargo/go-retry"

	"github.com/leeward-failover/leeward/schemas"
)

const (
	// every is how often open anomalies are sent; lasting is how long Alertmanager holds one of them when it hears no more, which is several times of that.
	every   = time.Minute
	lasting = 5 * time.Minute
	// each bounds one call, whole all tries of a round.
	each  = 5 * time.Second
	whole = 30 * time.Second
	// most is how many alerts one call may hold: the newest stand for all.
	most = 200
)

// Sender posts to Alertmanager's API. Set says what there is to be told; Run tells it.
type Sender struct {
	url, token string
	client     *http.Client
	failures   prometheus.Counter
	log        zerolog.Logger

	mu        sync.Mutex
	anomalies []schemas.AnomalyDetected
	changed   chan struct{}
	failed    bool
}

// CheckURL says what is wrong with the address of an Alertmanager.
func CheckURL(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("the address of Alertmanager is like http://alertmanager:9093, with a path if it has a prefix")
	case u.User != nil:
		return errors.New("a secret is a reference: leave it out of the address, and let LEEWARD_ALERTMANAGER_TOKEN refer to a bearer token")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("the address of Alertmanager has no query and no fragment")
	}
	return nil
}

// NewSender makes a sender for an Alertmanager. Without a token it sends none.
func NewSender(address, token string, failures prometheus.Counter, log zerolog.Logger) *Sender {
	// An answer that sends the caller elsewhere would take the token there.
	refuse := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Sender{
		url: strings.TrimSuffix(address, "/") + "/api/v2/alerts", token: token, client: &http.Client{Timeout: each, CheckRedirect: refuse},
		failures: failures, log: log, changed: make(chan struct{}, 1),
	}
}

// Set replaces what is told: the open anomalies, and those that ended lately. It does not wait.
func (s *Sender) Set(anomalies []schemas.AnomalyDetected) {
	s.mu.Lock()
	s.anomalies = anomalies
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// Run sends until ctx ends.
func (s *Sender) Run(ctx context.Context) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.changed:
		case <-ticker.C:
		}
		s.note(s.send(ctx))
	}
}

// note counts a failure and says in the log when it begins and when it ends.
func (s *Sender) note(err error) {
	switch {
	case errors.Is(err, context.Canceled):
		return
	case err != nil:
		s.failures.Inc()
		if !s.failed {
			s.log.Warn().Err(err).Msg("Alertmanager not told of anomalies")
		}
	case s.failed:
		s.log.Info().Msg("Alertmanager told of anomalies again")
	}
	s.failed = err != nil
}

func (s *Sender) send(ctx context.Context) error {
	s.mu.Lock()
	anomalies := slices.Clone(s.anomalies)
	s.mu.Unlock()
	if len(anomalies) == 0 {
		return nil
	}
	slices.SortStableFunc(anomalies, func(a, b schemas.AnomalyDetected) int { return b.At.Compare(a.At) })
	var alerts []postable
	for _, e := range anomalies[:min(len(anomalies), most)] {
		alerts = append(alerts, alertOf(e, time.Now()))
	}
	body, err := json.Marshal(alerts)
	if err != nil {
		return err
	}
	backoff := retry.WithMaxDuration(whole, retry.WithJitterPercent(20, retry.NewExponential(time.Second)))
	return retry.Do(ctx, backoff, func(ctx context.Context) error { return s.post(ctx, body) })
}

// post makes one call. What may be otherwise at the next try is tried again.
func (s *Sender) post(ctx context.Context, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return retry.RetryableError(err)
	}
	defer func() { _ = resp.Body.Close() }()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	err = fmt.Errorf("%s answers %s: %s", s.url, resp.Status, strings.TrimSpace(string(said)))
	if resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests {
		return retry.RetryableError(err)
	}
	return err
}

// postable is an alert of Alertmanager's API, version 2.
type postable struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      time.Time         `json:"endsAt"`
}

// alertOf makes an alert whose labels stay the same while the anomaly lasts.
func alertOf(e schemas.AnomalyDetected, now time.Time) postable {
	a := postable{
		Labels:      map[string]string{"alertname": "LeewardAnomaly", "severity": "warn", "anomaly": e.ID},
		Annotations: map[string]string{"summary": e.Where(), "description": e.Worst()},
		StartsAt:    e.Since, EndsAt: now.Add(lasting),
	}
	for name, value := range map[string]string{"region": e.Scope.Region, "vantage": e.Scope.Vantage, "variant": e.Scope.Variant, "kind": e.Scope.Kind, "app": e.App} {
		if value != "" {
			a.Labels[name] = value
		}
	}
	if e.State == schemas.AnomalyEnded {
		a.EndsAt = e.At
		a.Annotations["ended"] = e.Reason
	}
	return a
}

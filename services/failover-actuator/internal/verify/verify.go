// Package verify asks an app from outside which of its instances answers.
package verify

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

const (
	// tryFor is how long one request may take; a lost one must not cost the whole time.
	tryFor = time.Second
	// between is the pause after an answer that was not the one: enough not to be a flood.
	between = 10 * time.Millisecond
)

// Answers asks until an instance of the candidate answers, each time over a new connection, and returns the last wrong answer when the time is over.
func Answers(ctx context.Context, v schemas.Verify, c schemas.Candidate) error {
	ctx, cancel := context.WithTimeout(ctx, v.Timeout.D())
	defer cancel()
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	var last error
	for {
		err := ask(ctx, client, v, c)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s did not answer within %s: %w", c, v.Timeout, last)
		case <-time.After(between):
		}
	}
}

func ask(ctx context.Context, client *http.Client, v schemas.Verify, c schemas.Candidate) error {
	ctx, cancel := context.WithTimeout(ctx, tryFor)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, v.URL, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20))
	instance := response.Header.Get(v.Header)
	switch {
	case response.StatusCode < 200 || response.StatusCode > 299:
		return fmt.Errorf("status %d from %q", response.StatusCode, instance)
	case !strings.HasPrefix(instance, c.String()+"/"):
		return fmt.Errorf("%q answered", instance)
	}
	return nil
}

package demo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// client speaks to the API as a person's tools would.
type client struct {
	base, token string
}

func newClient(o Options) (client, error) {
	token, err := os.ReadFile(filepath.Join(o.Leeward, "api-token"))
	return client{o.API, strings.TrimSpace(string(token))}, err
}

func (c client) get(ctx context.Context, path string, out any) error {
	return c.do(ctx, http.MethodGet, path, nil, nil, out)
}

func (c client) do(ctx context.Context, method, path string, header map[string]string, body []byte, out any) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, data)
	}
	if out == nil || len(data) == 0 {
		return nil
	}
	return json.Unmarshal(data, out)
}

// simulated says whether the API says that its regions are simulated.
func (c client) simulated(ctx context.Context) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/v1/apps", nil)
	if err != nil {
		return false, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false, err
	}
	return resp.Header.Get("X-Leeward-Simulated") == "true", resp.Body.Close()
}

// event is one control event from the API's stream.
type event struct {
	Sequence uint64          `json:"sequence"`
	Type     string          `json:"type"`
	Payload  json.RawMessage `json:"payload"`
}

// follow calls each for every event after a sequence until each says it has seen enough, across lost connections.
func (c client) follow(ctx context.Context, after uint64, each func(event) (enough bool)) error {
	for {
		enough, err := c.stream(ctx, &after, each)
		if enough {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("following events: %w: %w", ctx.Err(), err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (c client) stream(ctx context.Context, after *uint64, each func(event) bool) (enough bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/v1/events", nil)
	if err != nil {
		return false, err
	}
	req.Header.Set("Last-Event-ID", fmt.Sprint(*after))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false, err
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var e event
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			return false, err
		}
		*after = e.Sequence
		if each(e) {
			return true, nil
		}
	}
	return false, lines.Err()
}

// until asks again until it is told enough, and says what was missing when time is up.
func until(ctx context.Context, limit time.Duration, what string, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not after %s: %w", what, limit, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

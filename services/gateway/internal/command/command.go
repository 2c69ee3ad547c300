// Package command is the part of the CLI that speaks to the gateway over HTTP.
package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/pkg/env"
	"github.com/leeward-failover/leeward/services/gateway/internal/api"
)

// All returns the commands.
func All() []*cobra.Command {
	return []*cobra.Command{
		applyCommand(), rankCommand(), variantsCommand(), buildsCommand(), failoverCommand(), overrideCommand(), anomaliesCommand(), importCommand(), benchCommand(), dlqCommand(),
	}
}

// client calls the API; its flags are on every command.
type client struct {
	address, token string
	output         string
	// told says that the banner was shown.
	told bool
}

func (c *client) flags(cmd *cobra.Command) {
	state := os.Getenv("LEEWARD_STATE")
	if state == "" {
		state = ".state/leeward"
	}
	cmd.Flags().StringVar(&c.address, "api", orEnv("LEEWARD_API", "http://127.0.0.1:8080"), "address of the API ($LEEWARD_API)")
	cmd.Flags().StringVar(&c.token, "token", orEnv("LEEWARD_API_TOKEN", "file:"+filepath.Join(state, "api-token")), "reference to the API's token, env:NAME or file:PATH ($LEEWARD_API_TOKEN)")
	cmd.Flags().StringVarP(&c.output, "output", "o", "table", "table or json")
}

func orEnv(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}

// errStopped says that whoever asked did not wait for the answer.
var errStopped = errors.New("stopped")

func (c *client) checkOutput() error {
	if c.output != "table" && c.output != "json" {
		return fmt.Errorf("-o %s: the formats are table and json", c.output)
	}
	return nil
}

// call sends a request and decodes the answer into out. A write carries the token.
func (c *client) call(ctx context.Context, method, path string, header http.Header, body []byte, out any) (http.Header, error) {
	if err := c.checkOutput(); err != nil {
		return nil, err
	}
	address, err := url.JoinPath(c.address, "/")
	if err != nil {
		return nil, fmt.Errorf("the API's address: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(address, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for k, v := range header {
		req.Header[k] = v
	}
	if method != http.MethodGet {
		token, err := env.Resolve(c.token, os.Getenv)
		if err != nil {
			return nil, fmt.Errorf("the API's token (--token): %w", err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := (&http.Client{Timeout: 30 * time.Second}).Do(req)
	if ctx.Err() != nil {
		return nil, errStopped
	}
	if err != nil {
		return nil, fmt.Errorf("the API at %s does not answer: is `leeward up` running? %w", c.address, err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.Header.Get(api.SimulatedHeader) != "" && !c.told {
		c.told = true
		// Not on standard output, which may be read by a program.
		fmt.Fprintln(os.Stderr, "SIMULATED: these regions are simulated on one machine; the figures say nothing of a real network")
	}
	if resp.StatusCode >= 300 {
		return resp.Header, problemOf(resp.StatusCode, data)
	}
	return resp.Header, json.Unmarshal(data, out)
}

// apiProblem is an answer that is an error.
type apiProblem struct {
	Status int
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Errors []struct {
		Message  string `json:"message"`
		Location string `json:"location"`
		Value    any    `json:"value"`
	} `json:"errors"`
}

// Error is the detail, then a line per place in the file.
func (p apiProblem) Error() string {
	lines := []string{p.Detail}
	if p.Detail == "" {
		lines[0] = fmt.Sprintf("the API answered %d", p.Status)
	}
	for _, e := range p.Errors {
		line := strings.TrimPrefix(e.Location+": "+e.Message, ": ")
		if hint, _ := e.Value.(string); hint != "" {
			line += " (" + hint + ")"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func problemOf(status int, data []byte) error {
	p := apiProblem{Status: status}
	if err := json.Unmarshal(data, &p); err != nil {
		p.Detail = fmt.Sprintf("the API answered %d: %.200s", status, data)
	}
	return p
}

func isStatus(err error, status int) bool {
	var p apiProblem
	return errors.As(err, &p) && p.Status == status
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

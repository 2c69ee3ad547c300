package loopback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/leeward-failover/leeward/pkg/daemon"
)

// Control serves commands to the network at a unix socket, which only this user can open, until ctx ends.
func (n *Network) Control(ctx context.Context, socket string) error {
	// What a killed one left behind; the state folder's lock keeps two from running.
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "unix", socket)
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(socket, 0o600); err != nil {
		return errors.Join(err, l.Close())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /links", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(n.Links()) })
	for verb, do := range map[string]func(Site) error{"cut": n.Cut, "heal": n.Heal} {
		mux.HandleFunc("POST /"+verb+"/{region}", func(w http.ResponseWriter, r *http.Request) {
			if err := do(Site(r.PathValue("region"))); err != nil {
				http.Error(w, err.Error(), http.StatusNotFound)
			}
		})
	}
	return daemon.Serve(ctx, l, mux)
}

// Ask sends a command to a world that runs: GET links, POST cut/REGION, POST heal/REGION.
func Ask(ctx context.Context, socket, method, path string) (string, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	request, err := http.NewRequestWithContext(ctx, method, "http://loopback/"+path, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", fmt.Errorf("the simulated regions do not answer: is `leeward up --loopback` running with this --state? %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(strings.TrimSpace(string(body)))
	}
	return string(body), err
}

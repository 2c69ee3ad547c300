package daemon

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// askHealth asks the service that listens at LEEWARD_HEALTH_ADDR whether it lives: for images that hold the program and nothing else to ask with.
func askHealth(ctx context.Context, proc Process) error {
	host, port, err := net.SplitHostPort(proc.Getenv("LEEWARD_HEALTH_ADDR"))
	if err != nil {
		return fmt.Errorf("LEEWARD_HEALTH_ADDR: --health needs the service's own, as :9100: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/livez", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", req.URL, resp.Status)
	}
	return nil
}

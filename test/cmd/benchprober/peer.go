package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/leeward-failover/leeward/test/process"
)

// fping pings as many addresses as often, and tells its own cost.
func fping(ctx context.Context, b bench, k kind) (float64, error) {
	program, err := exec.LookPath("fping")
	if err != nil {
		return 0, fmt.Errorf("%w: make install has it", err)
	}
	var list strings.Builder
	for i := range k.perSec {
		_, _ = fmt.Fprintln(&list, k.endpoint(i).ICMP)
	}
	seconds := max(1, int(b.span/time.Second))
	cmd := exec.CommandContext(ctx, program, "-q", "-C", fmt.Sprint(seconds), "-p", "1000", "-i", "0.09", "-B", "1", "-t", "900")
	cmd.Stdin = strings.NewReader(list.String())
	cmd.Stdout, cmd.Stderr = io.Discard, io.Discard
	if err := cmd.Run(); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() > 2 {
		return 0, fmt.Errorf("fping: %w", err)
	}
	cost := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return float64(k.perSec*seconds) / cost.Seconds(), nil
}

const blackboxModules = `modules:
  tcp: {prober: tcp, timeout: 1s, tcp: {preferred_ip_protocol: ip4}}
  http_fresh: {prober: http, timeout: 1s, http: {preferred_ip_protocol: ip4}}
  https_fresh: {prober: http, timeout: 1s, http: {preferred_ip_protocol: ip4}}
`

// blackbox asks a blackbox_exporter for as many probes as it can make on one processor.
func blackbox(ctx context.Context, b bench, k kind) (float64, error) {
	program, err := exec.LookPath("prometheus-blackbox-exporter")
	if err != nil {
		return 0, fmt.Errorf("%w: make install has it", err)
	}
	config := filepath.Join(b.dir, "blackbox.yml")
	if err := os.WriteFile(config, []byte(blackboxModules), 0o600); err != nil {
		return 0, err
	}
	addr, err := process.FreeAddr(ctx)
	if err != nil {
		return 0, err
	}
	p, err := process.Start(b.dir, "blackbox", map[string]string{"GOMAXPROCS": "1", "SSL_CERT_FILE": b.ca}, program, "--config.file", config, "--web.listen-address", addr, "--log.level", "error")
	if err != nil {
		return 0, err
	}
	defer p.Stop()
	e := k.endpoint(0)
	ask := "http://" + addr + "/probe?" + url.Values{"module": {k.name}, "target": {e.TCP + e.HTTP}}.Encode()
	if err := process.Until(ctx, "blackbox_exporter", func() error { return probed(ctx, ask) }); err != nil {
		return 0, err
	}
	before, err := p.CPU()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, b.span/2)
	defer cancel()
	var done atomic.Int64
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			for ctx.Err() == nil {
				if probed(ctx, ask) == nil {
					done.Add(1)
				}
			}
		})
	}
	work.Wait()
	after, err := p.CPU()
	return float64(done.Load()) / (after - before).Seconds(), err
}

// probed asks for a probe and returns nil when it went well.
func probed(ctx context.Context, ask string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, ask, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err == nil && !strings.Contains(string(body), "\nprobe_success 1\n") {
		err = fmt.Errorf("blackbox_exporter answers %s without success", resp.Status)
	}
	return err
}

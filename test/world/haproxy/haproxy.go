// Package haproxy runs the entry: one frontend, one backend with a server per region and variant, weights set by
// whoever owns the runtime socket. HAProxy checks no health itself: Leeward does.
package haproxy

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"text/template"

	"golang.org/x/sys/unix"

	"github.com/leeward-failover/leeward/pkg/supervise"
	"github.com/leeward-failover/leeward/test/world/site"
)

// Active is the server that has all the traffic when HAProxy starts: weights set through the socket do not outlive it.
const Active = "frankfurt-slim"

type server struct {
	Name    string
	Address string
	Weight  int
}

// A request to a region that vanished is sent to another server after a time-out, if weights have moved by then; the
// connect time-out lies above the longest round trip. A write is never sent twice once it was sent.
var config = template.Must(template.New("haproxy").Parse(`global
  user haproxy
  group haproxy
  maxconn 2000
  stats socket {{.Socket}} mode 600 level admin
  stats timeout 1h
  log stdout format raw local0 notice

defaults
  mode http
  log global
  timeout client 10s
  timeout connect 300ms
  timeout server 1s
  timeout http-request 5s
  timeout http-keep-alive 10s
  retries 2
  option redispatch 1

frontend entry
  bind {{.Entry}}
  default_backend shop

backend shop
  balance roundrobin
  retry-on conn-failure empty-response response-timeout
  http-request disable-l7-retry if METH_POST
{{- range .Servers}}
  server {{.Name}} {{.Address}} weight {{.Weight}}
{{- end}}
`))

// RemoveSocket removes the runtime socket of a HAProxy that is gone, and its folder if that is empty then.
func RemoveSocket() error {
	if err := os.Remove(site.HAProxySocket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	err := os.Remove(filepath.Dir(site.HAProxySocket))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENOTEMPTY) {
		return nil
	}
	return err
}

// Prepare writes HAProxy's configuration into the folder and returns its process.
func Prepare(folder string) (supervise.Process, error) {
	var servers []server
	for _, region := range site.Regions {
		for _, variant := range site.Variants {
			s := server{Name: region.Name + "-" + variant, Address: region.App(variant)}
			if s.Name == Active {
				s.Weight = 100
			}
			servers = append(servers, s)
		}
	}
	var text bytes.Buffer
	err := config.Execute(&text, map[string]any{"Socket": site.HAProxySocket, "Entry": site.HAProxy, "Servers": servers})
	if err != nil {
		return supervise.Process{}, err
	}
	for _, folder := range []string{folder, filepath.Dir(site.HAProxySocket)} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return supervise.Process{}, err
		}
	}
	path := filepath.Join(folder, "haproxy.cfg")
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		return supervise.Process{}, err
	}
	program, err := exec.LookPath("haproxy")
	if err != nil {
		return supervise.Process{}, err
	}
	return supervise.Process{
		Name: "haproxy",
		Argv: []string{program, "-db", "-f", path},
		Ready: func(ctx context.Context) error {
			conn, err := new(net.Dialer).DialContext(ctx, "unix", site.HAProxySocket)
			if err != nil {
				return err
			}
			return conn.Close()
		},
	}, nil
}

package loopback

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"text/template"

	"github.com/leeward-failover/leeward/pkg/supervise"
)

// entryConfig is HAProxy's: it reaches the regions through the entry's proxy, and the failover-actuator sets the weights. A request to a region that vanished is sent
// to another server after a time-out, if weights have moved by then; the connect time-out lies above the longest round trip.
var entryConfig = template.Must(template.New("haproxy").Parse(`global
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
  bind 127.0.0.1:8000
  default_backend shop

backend shop
  balance roundrobin
  retry-on conn-failure empty-response response-timeout
  http-request disable-l7-retry if METH_POST
{{- range .Servers}}
  server {{.Name}} {{.Address}} weight {{.Weight}} socks4 {{$.Proxy}}
{{- end}}
`))

// longestSocket is the longest path HAProxy takes for a socket.
const longestSocket = 97

// PrepareEntry writes the configuration of the HAProxy that traffic comes in through into a folder, and returns its process.
func PrepareEntry(folder string, ports Ports) (supervise.Process, error) {
	program, err := findHAProxy()
	if err != nil {
		return supervise.Process{}, err
	}
	type server struct {
		Name, Address string
		Weight        int
	}
	var servers []server
	for _, s := range Regions() {
		for _, variant := range Variants {
			next := server{Name: string(s) + "-" + variant, Address: ports.App(s, variant).String()}
			if len(servers) == 0 {
				next.Weight = 100 // where the app starts, until the failover-actuator says otherwise
			}
			servers = append(servers, next)
		}
	}
	socket := Socket(folder)
	if len(socket) > longestSocket {
		return supervise.Process{}, fmt.Errorf("%s is too long for a socket's path by %d bytes: choose a shorter --state", socket, len(socket)-longestSocket)
	}
	var text bytes.Buffer
	if err := entryConfig.Execute(&text, map[string]any{"Socket": socket, "Servers": servers, "Proxy": ports.Proxy(Entry)}); err != nil {
		return supervise.Process{}, err
	}
	path := filepath.Join(folder, "haproxy.cfg")
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		return supervise.Process{}, err
	}
	return supervise.Process{Name: "haproxy", Argv: []string{program, "-db", "-f", path}, Ready: func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
		if err != nil {
			return err
		}
		return conn.Close()
	}}, nil
}

// Socket is HAProxy's runtime socket in the state folder.
func Socket(folder string) string { return filepath.Join(folder, "haproxy.sock") }

// findHAProxy looks beside the path too: Debian installs it where ordinary users do not look.
func findHAProxy() (string, error) {
	for _, name := range []string{"haproxy", "/usr/sbin/haproxy", "/usr/local/sbin/haproxy", "/opt/homebrew/bin/haproxy"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("haproxy was not found, and traffic to the simulated regions comes in through it: install it (apt-get install haproxy, brew install haproxy)")
}

package discover_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/pkg/processtest"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway"
	"github.com/leeward-failover/leeward/services/prober"
)

// world is a bus with a gateway and a prober.
type world struct {
	*testing.T
	bus *bustest.Server
	api string
}

func newWorld(t *testing.T, secrets map[string]string) world {
	t.Helper()
	w := world{t, bustest.Start(t, "london"), fmt.Sprintf("127.0.0.1:%d", processtest.Port(t))}
	settings := map[string]string{"LEEWARD_NATS_URL": w.bus.URL(), "LEEWARD_NATS_SEED": w.bus.Seed(schemas.Gateway, ""), "LEEWARD_HEALTH_ADDR": "127.0.0.1:0",
		"LEEWARD_API_ADDR": w.api, "LEEWARD_API_TOKEN": "env:API_TOKEN", "API_TOKEN": "t0ken"}
	for name, value := range secrets {
		settings[name] = value
	}
	w.run("gateway", gateway.Run, settings)
	w.run("prober", prober.Run, map[string]string{"LEEWARD_NATS_URL": w.bus.URL(), "LEEWARD_NATS_SEED": w.bus.Seed(schemas.Prober, "london"), "LEEWARD_VANTAGE": "london",
		"LEEWARD_HEALTH_ADDR": "127.0.0.1:0", "LEEWARD_SPOOL_DIR": t.TempDir(), "LEEWARD_PROBE_ALLOW": "127.0.0.0/8"})
	w.await("the gateway", func() bool {
		response, err := http.Get("http://" + w.api + "/readyz")
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	return w
}

// run runs a service until the test ends.
func (w world) run(name string, run daemon.Run, settings map[string]string) {
	ctx, cancel := context.WithCancel(w.Context())
	proc := daemon.NewProcess(name, nil, func(name string) string { return settings[name] }, io.Discard, testLog{w.T})
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := run(ctx, proc); err != nil && ctx.Err() == nil {
			w.Errorf("%s: %v", name, err)
		}
	}()
	w.Cleanup(func() { cancel(); <-done })
}

// testLog shows a service's log when its test fails.
type testLog struct{ t *testing.T }

func (l testLog) Write(line []byte) (int, error) {
	l.t.Logf("%s", bytes.TrimSpace(line))
	return len(line), nil
}

func (w world) await(what string, holds func() bool) {
	w.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.Fatalf("waited in vain: %s", what)
		}
	}
}

func (w world) apply(text string) {
	w.Helper()
	request, err := http.NewRequest(http.MethodPut, "http://"+w.api+"/v1/topology", strings.NewReader(text))
	if err != nil {
		w.Fatal(err)
	}
	request.Header = http.Header{"Authorization": {"Bearer t0ken"}, "Content-Type": {"application/yaml"}, "If-Match": {"*"}}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if said, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusOK {
		w.Fatalf("apply: %s %s", response.Status, said)
	}
}

// web is a web service with a certificate of its own, which asks for the token s3cret.
func web(t *testing.T, serve http.HandlerFunc) (address, ca string) {
	t.Helper()
	certificate, key := processtest.Certificate(t, t.TempDir())
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer s3cret" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		serve(w, r)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL, certificate
}

// named runs BIND with a zone.
func named(t *testing.T, zone, records string) (server string) {
	t.Helper()
	path, folder, port := processtest.Program(t, "named"), t.TempDir(), processtest.Port(t)
	for name, text := range map[string]string{
		"zone": "$TTL 60\n@ IN SOA ns admin 1 60 60 60 60\n@ IN NS ns\nns IN A 127.0.0.1\n" + records,
		"named.conf": fmt.Sprintf("options { directory %q; listen-on port %d { 127.0.0.1; }; listen-on-v6 { none; }; pid-file none; session-keyfile none; recursion no; };\n"+
			"controls {};\nzone %q { type primary; file \"zone\"; check-integrity no; };\n", folder, port, zone),
	} {
		write(t, filepath.Join(folder, name), text)
	}
	server = fmt.Sprintf("127.0.0.1:%d", port)
	processtest.Start(t, exec.Command(path, "-g", "-n", "1", "-c", filepath.Join(folder, "named.conf")), syscall.SIGKILL).Await(func() error {
		conn, err := net.Dial("tcp", server)
		if err == nil {
			_ = conn.Close()
		}
		return err
	})
	return server
}

// write replaces a file as a whole.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

package discover_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/processtest"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway/internal/discover"
)

var secrets = discover.Reader{Getenv: func(name string) string { return map[string]string{"TOKEN": "s3cret"}[name] }}

// addresses are what an answer names, in order, with its places.
func addresses(a discover.Answer) []string {
	var all []string
	for _, t := range a.Targets {
		all = append(all, t.Address+" at "+t.Place)
	}
	slices.Sort(all)
	return all
}

func expect(t *testing.T, d schemas.Discovery, want ...string) discover.Answer {
	t.Helper()
	answer, err := secrets.Read(t.Context(), d)
	if got := addresses(answer); err != nil || !slices.Equal(got, want) {
		t.Fatalf("it names %q, %v; want %q", got, err, want)
	}
	return answer
}

// refuse expects that an entry can not be read, for a reason that tells nothing of what was read.
func refuse(t *testing.T, d schemas.Discovery, why string) {
	t.Helper()
	_, err := secrets.Read(t.Context(), d)
	if err == nil || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%s: got %v, want %q", discover.Place(d), err, why)
	}
}

func TestFilesOfPrometheusAreRead(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) schemas.Discovery {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return schemas.Discovery{File: path}
	}
	answer := expect(t, write("a.json", `[{"targets": ["10.0.0.1:80", 7], "labels": {"leeward_region": "tokyo"}}, "x", {"targets": ["10.0.0.2:80"], "labels": {"a": 1}}, {"targets": ["10.0.0.3:80"]}]`),
		"10.0.0.1:80 at [0].targets[0]", "10.0.0.3:80 at [3].targets[0]")
	if answer.Targets[0].Labels["leeward_region"] != "tokyo" {
		t.Errorf("labels %v", answer.Targets[0].Labels)
	}
	if got := strings.Join(answer.Refused, "; "); got != "[0].targets[1]: not a text; [1]: not a group of targets, with texts as labels; [2]: not a group of targets, with texts as labels" {
		t.Errorf("refused %s", got)
	}
	expect(t, write("a.yml", "- targets: [\"10.0.0.1:80\"]\n  labels: {leeward_region: tokyo}\n- targets:\n  - 10.0.0.2:80\n"), "10.0.0.1:80 at [0].targets[0]", "10.0.0.2:80 at [1].targets[0]")
	expect(t, write("empty.json", "[]"))
	refuse(t, write("b.json", "[\n{\"targets\": [hunter2]}]"), "line 2: not JSON")
	refuse(t, write("c.json", `{"password": "hunter2"}`), "not a list of groups")
	refuse(t, write("b.yaml", "- targets: [hunter2\n"), "not YAML")
	refuse(t, write("bomb.yaml", "- &a [x, x]\n- &b [*a, *a]\n"), "line 2, column 7: aliases are not allowed")
	expect(t, write("quoted.yaml", "- targets: ['*:80', \"a:80\"] # *a\n"), "*:80 at [0].targets[0]", "a:80 at [0].targets[1]")
	refuse(t, write("huge.json", "["+strings.Repeat(" ", 5<<20)+"]"), "more than the 4 MiB")
	many := make([]string, 10_001)
	for i := range many {
		many[i] = fmt.Sprintf("10.0.0.1:%d", i+1)
	}
	data, _ := json.Marshal([]map[string]any{{"targets": many}})
	refuse(t, write("many.json", string(data)), "10001 targets are more than the 10000")
	refuse(t, schemas.Discovery{File: filepath.Join(folder, "gone.json")}, "no such file")
	refuse(t, schemas.Discovery{File: folder}, "not a regular file")
	pipe := filepath.Join(folder, "pipe.json")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	refuse(t, schemas.Discovery{File: pipe}, "not a regular file")
}

// web serves TLS with a certificate of its own, and asks for the token.
func web(t *testing.T, serve http.HandlerFunc) (address, ca string) {
	t.Helper()
	certificate, key := processtest.Certificate(t, t.TempDir())
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer s3cret" {
			http.Error(w, "who are you? hunter2", http.StatusUnauthorized)
			return
		}
		serve(w, r)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL, certificate
}

func TestWebServicesAreAskedWithTheTokenAndTrustedOnlyWhenTheyProveThemselves(t *testing.T) {
	address, ca := web(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/targets", http.StatusFound)
		case "/huge":
			_, _ = w.Write([]byte("[" + strings.Repeat(" ", 5<<20) + "]"))
		case "/slow":
			<-r.Context().Done()
		default:
			_, _ = w.Write([]byte(`[{"targets": ["10.0.0.1:80"], "labels": {"leeward_region": "tokyo"}}]`))
		}
	})
	at := func(path, token, ca string) schemas.Discovery {
		return schemas.Discovery{HTTP: &schemas.HTTPDiscovery{URL: address + path, Token: token, CA: ca}}
	}
	expect(t, at("/targets", "env:TOKEN", ca), "10.0.0.1:80 at [0].targets[0]")
	refuse(t, at("/targets", "", ca), "it answers 401 Unauthorized")
	refuse(t, at("/targets", "env:GONE", ca), "token: the variable GONE is not set")
	refuse(t, at("/targets", "env:TOKEN", ""), "certificate signed by unknown authority")
	refuse(t, at("/targets", "env:TOKEN", "/dev/null"), "holds no certificate")
	refuse(t, at("/moved", "env:TOKEN", ca), "it answers 302 Found")
	refuse(t, at("/huge", "env:TOKEN", ca), "more than the 4 MiB")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := secrets.Read(ctx, at("/slow", "env:TOKEN", ca)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a service that hangs: %v", err)
	}
}

const zone = `$TTL 60
@ IN SOA ns.shop.example. admin.shop.example. 1 60 60 60 60
@ IN NS ns
ns IN A 127.0.0.1
_http._tcp IN SRV 10 5 8080 b.shop.example.
_http._tcp IN SRV 10 50 8081 a.shop.example.
_http._tcp IN SRV 20 0 8082 spare.shop.example.
_gone._tcp IN SRV 0 0 0 .
`

// startNamed runs BIND with the zone shop.example.
func startNamed(t *testing.T) (server string) {
	t.Helper()
	path, folder, port := processtest.Program(t, "named"), t.TempDir(), processtest.Port(t)
	for name, text := range map[string]string{"zone": zone, "named.conf": fmt.Sprintf(
		"options { directory %q; listen-on port %d { 127.0.0.1; }; listen-on-v6 { none; }; pid-file none; session-keyfile none; recursion no; };\ncontrols {};\nzone \"shop.example\" { type primary; file \"zone\"; };\n", folder, port)} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
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

func TestRecordsOfTheLowestPriorityAreTheServices(t *testing.T) {
	server := startNamed(t)
	at := func(name string) schemas.Discovery {
		return schemas.Discovery{DNS: &schemas.DNSDiscovery{SRV: name, Server: server}}
	}
	expect(t, at("_http._tcp.shop.example"), "a.shop.example:8081 at record a.shop.example:8081", "b.shop.example:8080 at record b.shop.example:8080")
	refuse(t, at("_https._tcp.shop.example"), "no such host")
	refuse(t, at("_gone._tcp.shop.example"), "the service is not there")
}

// The answers are of the shape that the API's reference documents for discovery.k8s.io/v1; no cluster runs here.
const (
	firstPage = `{"kind": "EndpointSliceList", "apiVersion": "discovery.k8s.io/v1", "metadata": {"resourceVersion": "10245", "continue": "more=="}, "items": [
	{"metadata": {"name": "shop-abc12", "namespace": "web", "labels": {"kubernetes.io/service-name": "shop", "leeward_variant": "slim"}}, "addressType": "IPv4",
	 "endpoints": [
	  {"addresses": ["10.1.2.3"], "conditions": {"ready": true, "serving": true, "terminating": false}, "nodeName": "node-1", "zone": "eu-1a"},
	  {"addresses": ["10.1.2.4"], "conditions": {"ready": false, "serving": true, "terminating": true}},
	  {"addresses": ["10.1.2.5"], "conditions": {}}],
	 "ports": [{"name": "http", "protocol": "TCP", "port": 8080}, {"name": "metrics", "protocol": "TCP", "port": 9090}]}]}`
	secondPage = `{"kind": "EndpointSliceList", "apiVersion": "discovery.k8s.io/v1", "metadata": {"resourceVersion": "10245"}, "items": [
	{"metadata": {"name": "shop-v6", "labels": {"kubernetes.io/service-name": "shop"}}, "addressType": "IPv6",
	 "endpoints": [{"addresses": ["fd00::7"], "conditions": {"ready": true}}], "ports": [{"name": "http", "protocol": "TCP", "port": 8080}]},
	{"metadata": {"name": "shop-none"}, "addressType": "IPv4", "endpoints": null, "ports": null}]}`
)

func TestReadyEndpointsOfAServiceOfKubernetesAreRead(t *testing.T) {
	address, ca := web(t, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		switch {
		case r.URL.Path != "/apis/discovery.k8s.io/v1/namespaces/web/endpointslices" || q.Get("limit") != "500":
			http.Error(w, `{"kind": "Status", "code": 404}`, http.StatusNotFound)
		case q.Get("labelSelector") == "kubernetes.io/service-name=shop" && q.Get("continue") == "":
			_, _ = w.Write([]byte(firstPage))
		case q.Get("labelSelector") == "kubernetes.io/service-name=shop" && q.Get("continue") == "more==":
			_, _ = w.Write([]byte(secondPage))
		default:
			_, _ = w.Write([]byte(`{"kind": "EndpointSliceList", "metadata": {}, "items": []}`))
		}
	})
	at := func(service, port string) schemas.Discovery {
		return schemas.Discovery{Kubernetes: &schemas.KubernetesDiscovery{URL: address, Token: "env:TOKEN", CA: ca, Namespace: "web", Service: service, Port: port}}
	}
	answer := expect(t, at("shop", "http"), "10.1.2.3:8080 at EndpointSlice shop-abc12.endpoints[0]", "10.1.2.5:8080 at EndpointSlice shop-abc12.endpoints[2]", "[fd00::7]:8080 at EndpointSlice shop-v6.endpoints[0]")
	if got := answer.Targets[0].Labels["leeward_variant"]; got != "slim" {
		t.Errorf("the slice's label is %q", got)
	}
	if answer = expect(t, at("shop", "9090"), "10.1.2.3:9090 at EndpointSlice shop-abc12.endpoints[0]", "10.1.2.5:9090 at EndpointSlice shop-abc12.endpoints[2]"); len(answer.Refused) != 1 || answer.Refused[0] != "EndpointSlice shop-v6: has no port 9090, but http 8080" {
		t.Errorf("refused %q", answer.Refused)
	}
	if answer = expect(t, at("shop", ""), "[fd00::7]:8080 at EndpointSlice shop-v6.endpoints[0]"); len(answer.Refused) != 1 || answer.Refused[0] != "EndpointSlice shop-abc12: has 2 ports (http 8080, metrics 9090): name one as port" {
		t.Errorf("refused %q", answer.Refused)
	}
	expect(t, at("other", ""))
	elsewhere := at("shop", "http")
	elsewhere.Kubernetes.Namespace = "api"
	refuse(t, elsewhere, "it answers 404 Not Found")
}

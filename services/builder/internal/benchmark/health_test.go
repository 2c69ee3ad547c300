package benchmark_test

import (
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/leeward-failover/leeward/services/builder/internal/benchmark"
)

func TestHealthIsWhatTheImageSays(t *testing.T) {
	for name, c := range map[string]struct {
		label string
		ports []string
		port  int
		path  string
		fails string
	}{
		"the lowest TCP port":   {"", []string{"9090/tcp", "8080/tcp", "53/udp"}, 8080, "/healthz", ""},
		"a port alone":          {"", []string{"8080"}, 8080, "/healthz", ""},
		"the label comes first": {"9000/ready?deep=1", []string{"8080/tcp"}, 9000, "/ready?deep=1", ""},
		"a label without path":  {"9000", nil, 9000, "/", ""},
		"a label with no port":  {"/ready", []string{"8080/tcp"}, 0, "", `label leeward.health is "/ready"`},
		"a label out of range":  {"70000/", nil, 0, "", "label leeward.health"},
		"only UDP":              {"", []string{"53/udp"}, 0, "", "give its Dockerfile EXPOSE"},
		"nothing":               {"", nil, 0, "", "give its Dockerfile EXPOSE"},
	} {
		t.Run(name, func(t *testing.T) {
			config := imageConfig(c.label, c.ports)
			port, path, err := benchmark.HealthOf(config)
			if port != c.port || path != c.path || (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
				t.Errorf("got %d%s and %v, want %d%s and an error with %q", port, path, err, c.port, c.path, c.fails)
			}
		})
	}
}

func imageConfig(label string, ports []string) v1.Config {
	config := v1.Config{ExposedPorts: map[string]struct{}{}}
	for _, p := range ports {
		config.ExposedPorts[p] = struct{}{}
	}
	if label != "" {
		config.Labels = map[string]string{benchmark.HealthLabel: label}
	}
	return config
}

package benchmark

import (
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func TestHealthIsWhatTheImageSays(t *testing.T) {
	for name, c := range map[string]struct {
		label string
		ports []string
		want  check
		fails string
	}{
		"the lowest TCP port":   {"", []string{"9090/tcp", "8080/tcp", "53/udp"}, check{8080, "/healthz"}, ""},
		"a port alone":          {"", []string{"8080"}, check{8080, "/healthz"}, ""},
		"the label comes first": {"9000/ready?deep=1", []string{"8080/tcp"}, check{9000, "/ready?deep=1"}, ""},
		"a label without path":  {"9000", nil, check{9000, "/"}, ""},
		"a label with no port":  {"/ready", []string{"8080/tcp"}, check{}, `label leeward.health is "/ready"`},
		"a label out of range":  {"70000/", nil, check{}, "label leeward.health"},
		"only UDP":              {"", []string{"53/udp"}, check{}, "give its Dockerfile EXPOSE"},
		"nothing":               {"", nil, check{}, "give its Dockerfile EXPOSE"},
	} {
		t.Run(name, func(t *testing.T) {
			config := imageConfig(c.label, c.ports)
			got, err := healthOf(config)
			if got != c.want || (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
				t.Errorf("got %+v and %v, want %+v and an error with %q", got, err, c.want, c.fails)
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
		config.Labels = map[string]string{HealthLabel: label}
	}
	return config
}

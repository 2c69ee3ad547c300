package benchmark

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// HealthLabel is the image's label that says what to ask for, as 8080/healthz.
const HealthLabel = "leeward.health"

// check is where a container answers over HTTP when it is healthy.
type check struct {
	port int
	path string
}

// healthOf reads from an image's own configuration where its container answers: from the label, or else /healthz at the lowest TCP port that it exposes.
func healthOf(config v1.Config) (check, error) {
	if label := config.Labels[HealthLabel]; label != "" {
		port, path, _ := strings.Cut(label, "/")
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return check{}, fmt.Errorf("label %s is %q, not a port and a path as 8080/healthz", HealthLabel, label)
		}
		return check{int(n), "/" + path}, nil
	}
	var ports []int
	for exposed := range config.ExposedPorts {
		number, protocol, _ := strings.Cut(exposed, "/")
		if n, err := strconv.ParseUint(number, 10, 16); err == nil && n > 0 && cmp.Or(protocol, "tcp") == "tcp" {
			ports = append(ports, int(n))
		}
	}
	if len(ports) == 0 {
		return check{}, errors.New("not started: the image says nowhere that it answers; give its Dockerfile EXPOSE, or LABEL " + HealthLabel + "=8080/healthz")
	}
	return check{slices.Min(ports), "/healthz"}, nil
}

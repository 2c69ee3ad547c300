package benchmark

import v1 "github.com/google/go-containerregistry/pkg/v1"

// HealthOf is healthOf, for tests.
func HealthOf(config v1.Config) (port int, path string, err error) {
	c, err := healthOf(config)
	return c.port, c.path, err
}

package loopback

import (
	_ "embed"
	"os"
	"path/filepath"
	"strings"
)

//go:embed leeward.yaml
var topology string

// WriteTopology writes the topology of the simulated regions into the state folder and returns the file.
func WriteTopology(folder string) (string, error) {
	file := filepath.Join(folder, "leeward.yaml")
	return file, os.WriteFile(file, []byte(strings.ReplaceAll(topology, "/STATE/haproxy.sock", Socket(folder))), 0o600)
}

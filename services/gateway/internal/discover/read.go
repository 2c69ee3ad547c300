// Package discover finds the endpoints of apps outside leeward.yaml: in files, at web services, name servers and clusters of Kubernetes. One gateway at a time reads them, and puts
// what has changed into the topology, which everyone else follows; so all vantages measure the same. It reaches none of what it finds.
package discover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

const (
	// readWithin is how long one look may take.
	readWithin = 10 * time.Second
	// maxBytes is the largest answer that is read.
	maxBytes = 4 << 20
)

// Reader looks at entries of discover.
type Reader struct {
	// Getenv finds what references to tokens name.
	Getenv func(string) string
}

// Read looks at an entry once.
func (r Reader) Read(ctx context.Context, d schemas.Discovery) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	switch {
	case d.HTTP != nil:
		return r.http(ctx, *d.HTTP)
	case d.DNS != nil:
		return lookUp(ctx, *d.DNS)
	case d.Kubernetes != nil:
		return r.kubernetes(ctx, *d.Kubernetes)
	default:
		return readFile(d.File)
	}
}

// Place names what an entry reads, as people know it.
func Place(d schemas.Discovery) string {
	switch {
	case d.HTTP != nil:
		return d.HTTP.URL
	case d.DNS != nil:
		return "SRV " + d.DNS.SRV
	case d.Kubernetes != nil:
		return "service " + d.Kubernetes.Namespace + "/" + d.Kubernetes.Service + " at " + d.Kubernetes.URL
	default:
		return "file " + d.File
	}
}

// readFile reads a file anew at each look: that sees every way in which files are replaced, on every file system.
func readFile(name string) (Answer, error) {
	// A pipe is not waited for until somebody writes to it, which no time-out could end.
	file, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return Answer{}, errors.Join(err, errors.New("not a regular file"))
	}
	data, err := readAll(file)
	if err != nil {
		return Answer{}, err
	}
	// JSON is YAML, too; its own parser says better where it breaks.
	if len(name) > 5 && name[len(name)-5:] == ".json" {
		return fromJSON(data)
	}
	return fromYAML(data)
}

func readAll(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err == nil && len(data) > maxBytes {
		err = fmt.Errorf("more than the %d MiB that are read", maxBytes>>20)
	}
	return data, err
}

// Package bustest gives tests a real JetStream server with the real permissions, streams, buckets and consumers.
package bustest

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/natsd"
	"github.com/leeward-failover/leeward/schemas"
)

// Server is a running bus.
type Server struct {
	tb      testing.TB
	options natsd.Options
	server  *server.Server
}

// Start starts a bus on a free loopback port, with everything the contracts name created, and stops it when the test ends.
func Start(tb testing.TB, vantages ...string) *Server {
	tb.Helper()
	dir := tb.TempDir()
	s := &Server{tb: tb, options: natsd.Options{
		Addr: "127.0.0.1:0", Store: filepath.Join(dir, "store"), Keys: filepath.Join(dir, "keys"), Vantages: vantages, Log: zerolog.Nop(),
	}}
	s.start()
	s.options.Addr = s.server.Addr().String()
	tb.Cleanup(func() { s.Stop() })
	s.create()
	return s
}

func (s *Server) create() {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.Connect(schemas.Setup, "").Create(ctx, s.options.Vantages); err != nil {
		s.tb.Fatalf("create streams: %v", err)
	}
}

func (s *Server) start() {
	s.tb.Helper()
	var err error
	if s.server, err = natsd.Start(s.options); err != nil {
		s.tb.Fatalf("start bus: %v", err)
	}
}

// URL is where the bus listens.
func (s *Server) URL() string { return "nats://" + s.options.Addr }

// Seed is the seed file of a service, or of a vantage's prober.
func (s *Server) Seed(service schemas.Service, vantage string) string {
	return natsd.SeedFile(s.options.Keys, schemas.UserName(service, vantage))
}

// Connect connects as a service, and waits until it is connected.
func (s *Server) Connect(service schemas.Service, vantage string) *bus.Bus {
	s.tb.Helper()
	b, err := bus.Connect(bus.Options{URL: s.URL(), Seed: s.Seed(service, vantage), Service: service, Vantage: vantage, Log: zerolog.Nop()})
	if err != nil {
		s.tb.Fatalf("connect as %s: %v", service, err)
	}
	s.tb.Cleanup(b.Close)
	for deadline := time.Now().Add(5 * time.Second); b.Ready() != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.tb.Fatalf("connect as %s: %v", service, b.Ready())
		}
	}
	return b
}

// Stop stops the server; its data stays until the test ends.
func (s *Server) Stop() {
	s.server.Shutdown()
	s.server.WaitForShutdown()
}

// Wipe starts the server again without its data, with new streams and buckets.
func (s *Server) Wipe() {
	s.tb.Helper()
	s.Stop()
	if err := os.RemoveAll(s.options.Store); err != nil {
		s.tb.Fatalf("wipe bus: %v", err)
	}
	s.start()
	s.create()
}

// Restart starts the server again on the same address and data.
func (s *Server) Restart() {
	s.tb.Helper()
	s.Stop()
	s.start()
}

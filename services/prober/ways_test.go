package prober_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/grpc"
	grpchealth "google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/schemas"
)

// TestServiceWithoutHTTPIsJudgedByItsOwnHealth has a gRPC service and a check of the user's own in front of a port that answers throughout.
func TestServiceWithoutHTTPIsJudgedByItsOwnHealth(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t, "london")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cart := grpchealth.NewServer()
	cart.SetServingStatus("", healthpb.HealthCheckResponse_SERVING)
	server := grpc.NewServer()
	healthpb.RegisterHealthServer(server, cart)
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(l) }()
	t.Cleanup(func() { server.Stop(); <-served })
	checks := t.TempDir()
	if err := os.WriteFile(filepath.Join(checks, "no"), []byte("#!/bin/sh\necho '{\"ok\": false, \"error\": \"no\"}'\n"), 0o755); err != nil {
		t.Fatal(err)
	}

	world := topology(beat, schemas.Endpoint{Variant: "single", TCP: l.Addr().String(), GRPC: "grpc://" + l.Addr().String(), DNS: "dns://" + deaf(t) + "/shop.example"},
		schemas.Endpoint{Variant: "slim", TCP: l.Addr().String(), Exec: "no"})
	apply(t, s, world)
	environment := settings(t, s, t.TempDir())
	environment["LEEWARD_PROBE_CHECKS"] = checks
	verdicts := mirror(t, s.Connect(schemas.Actuator, ""), schemas.VerdictBucket)
	p := start(t, environment)
	await(t, verdicts, "a service that is well beside a check that says no", health(schemas.Degraded), "london", "shop", "tokyo")
	for kind, outcome := range map[string]string{"grpc": "ok", "exec": "status", "tcp": "ok", "dns": "refused"} {
		wait(t, kind+" "+outcome, func() bool {
			return value(t, p.metrics, "leeward_prober_samples_total", map[string]string{"kind": kind, "outcome": outcome}) > 0
		})
	}
	cart.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
	await(t, verdicts, "a service that does not serve", health(schemas.Down), "london", "shop", "tokyo")
}

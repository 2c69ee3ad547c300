package probe_test

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/leeward-failover/leeward/schemas"
)

// serveGRPC runs a gRPC server, with the health service unless that is nil, and returns its host:port.
func serveGRPC(t testing.TB, service *health.Server, options ...grpc.ServerOption) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(options...)
	if service != nil {
		healthpb.RegisterHealthServer(s, service)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-done })
	return l.Addr().String()
}

func TestGRPC(t *testing.T) {
	service := health.NewServer()
	service.SetServingStatus("shop.v1.Cart", healthpb.HealthCheckResponse_SERVING)
	service.SetServingStatus("shop.v1.Orders", healthpb.HealthCheckResponse_NOT_SERVING)
	plain := serveGRPC(t, service)
	over := serveGRPC(t, service, grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{authority.issue(t, 30*24*time.Hour)}})))
	k := kit(t)
	for _, address := range []string{"grpc://" + plain, "grpcs://" + over} {
		for name, c := range map[string]struct {
			want schemas.Outcome
			says string
		}{
			"":                {schemas.OK, ""},
			"/shop.v1.Cart":   {schemas.OK, ""},
			"/shop.v1.Orders": {schemas.BadStatus, "grpc: status NOT_SERVING"},
			"/shop.v1.Gone":   {schemas.BadStatus, `grpc: the server does not know the service "shop.v1.Gone"`},
		} {
			s := expectOf(t, k, checked(schemas.KindGRPC, address+name, schemas.HTTPCheck{}), c.want, c.says)
			if s.ConnectUS == 0 || s.FirstByteUS == 0 || (s.TLSUS > 0) != (address[:5] == "grpcs") {
				t.Errorf("%s: phases of %+v", address, s)
			}
			expectWhole(t, s)
		}
	}
	expectOf(t, k, checked(schemas.KindGRPC, "grpcs://"+over, schemas.HTTPCheck{Host: "shop.example"}), schemas.OK, "")
	expectOf(t, k, checked(schemas.KindGRPC, "grpcs://"+over, schemas.HTTPCheck{Host: "other.example"}), schemas.TLSError, "not other.example")
	expectOf(t, k, checked(schemas.KindGRPC, "grpcs://"+over, schemas.HTTPCheck{CertificateDays: 31}), schemas.TLSError, "the certificate expires at")
	expectOf(t, k, checked(schemas.KindGRPC, "grpcs://"+plain, schemas.HTTPCheck{}), schemas.TLSError, "")
	expectOf(t, k, checked(schemas.KindGRPC, "grpc://"+serveGRPC(t, nil), schemas.HTTPCheck{}), schemas.BadStatus, "unknown service grpc.health.v1.Health")
	expectOf(t, k, checked(schemas.KindGRPC, "grpc://"+serve(t, says("ok")).host(), schemas.HTTPCheck{}), schemas.OtherError, "")
	expectOf(t, k, checked(schemas.KindGRPC, "grpc://"+deafAddress(t), schemas.HTTPCheck{}), schemas.Refused, "refused")
	expect(t, k, schemas.KindGRPC, "grpc://"+deafListener(t), schemas.TimedOut)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	expect(t, k, schemas.KindGRPC, "grpc://"+silent.Addr().String(), schemas.TimedOut)
}

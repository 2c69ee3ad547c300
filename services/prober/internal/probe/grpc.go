package probe

import (
	"context"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/leeward-failover/leeward/pkg/address"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/target"
)

// grpc asks for the health of a gRPC service on a fresh connection.
func (d Dial) grpc(ctx context.Context, t target.Target) Result {
	ctx, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	r := begin()
	r.Err = d.health(ctx, &r, t)
	return r
}

func (d Dial) health(ctx context.Context, r *Result, t target.Target) error {
	service, err := address.GRPC(t.Address)
	if err != nil {
		return err
	}
	opening := &opened{dial: d, to: hop{server: service.Server}}
	conn, err := opening.client(service, t.Check)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	answer, err := health.NewHealthClient(conn).Check(ctx, &health.HealthCheckRequest{Service: service.Name})
	failed := opening.phases(r)
	r.lap(&r.FirstByte)
	switch code := status.Code(err); {
	case code == codes.DeadlineExceeded:
		return context.DeadlineExceeded
	case failed != nil:
		return failed
	case code == codes.Unavailable:
		return err
	case code == codes.NotFound:
		return answerError(fmt.Sprintf("the server does not know the service %q", service.Name))
	case err != nil:
		return answerError(excerpt(err.Error()))
	case answer.GetStatus() != health.HealthCheckResponse_SERVING:
		return answerError("status " + answer.GetStatus().String())
	}
	return nil
}

// opened opens a connection for the library, which does it in a goroutine of its own.
type opened struct {
	credentials.TransportCredentials
	dial Dial
	to   hop
	elsewhere
}

// client prepares a connection that is opened by the first call.
func (o *opened) client(service address.Service, check *schemas.HTTPCheck) (*grpc.ClientConn, error) {
	o.TransportCredentials = insecure.NewCredentials()
	if service.TLS {
		o.to.tls = shared
		o.TransportCredentials = credentials.NewTLS(shared)
	}
	options := []grpc.DialOption{
		grpc.WithContextDialer(o.connect), grpc.WithTransportCredentials(o), grpc.WithUserAgent("leeward-prober"), grpc.WithDisableRetry(), grpc.WithDisableServiceConfig(),
	}
	if check != nil {
		o.to.certificates = time.Duration(check.CertificateDays) * day
		if check.Host != "" {
			options = append(options, grpc.WithAuthority(check.Host))
		}
	}
	return grpc.NewClient("passthrough:///"+service.Server, options...)
}

func (o *opened) connect(ctx context.Context, server string) (net.Conn, error) {
	r := begin()
	conn, err := o.dial.connect(ctx, &r, server)
	o.note(r, err)
	return conn, err
}

// ClientHandshake makes the handshake on a connection.
func (o *opened) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	r := begin()
	secured, info, err := o.TransportCredentials.ClientHandshake(ctx, authority, conn)
	if over, ok := info.(credentials.TLSInfo); ok && err == nil {
		err = o.to.trusted(&line{ends: lasts(over.State)})
	}
	if o.to.tls != nil {
		r.lap(&r.TLS)
	}
	if err != nil {
		err = tlsError{err}
	}
	o.note(r, err)
	return secured, info, err
}

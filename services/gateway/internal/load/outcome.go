package load

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"

	"github.com/leeward-failover/leeward/schemas"
)

// classify sorts how a request ended into the outcomes of samples.
func classify(ctx context.Context, err error, status int) schemas.Outcome {
	var network net.Error
	var name *net.DNSError
	var handshake tlsError
	switch {
	case err == nil && status >= 400:
		return schemas.BadStatus
	case err == nil:
		return schemas.OK
	case ctx.Err() != nil, errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return schemas.TimedOut
	case errors.As(err, &name):
		return schemas.NameError
	case errors.As(err, &handshake):
		return schemas.TLSError
	case errors.Is(err, syscall.ECONNREFUSED):
		return schemas.Refused
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return schemas.Unreachable
	default:
		return schemas.OtherError
	}
}

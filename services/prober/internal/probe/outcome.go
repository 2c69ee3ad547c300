package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"syscall"

	"github.com/leeward-failover/leeward/schemas"
)

// errUnreachable says that a router or the target's host reported that there is no way.
var errUnreachable = errors.New("destination unreachable")

// tlsError marks what went wrong in a TLS handshake.
type tlsError struct{ error }

func (e tlsError) Unwrap() error { return e.error }

// statusError is an HTTP answer that says the app is not well.
type statusError struct{ status string }

func (e statusError) Error() string { return "status " + e.status }

// classify sorts an error into the outcomes of samples.
func classify(err error) schemas.Outcome {
	var network net.Error
	var name *net.DNSError
	var handshake tlsError
	var status statusError
	var certificate *tls.CertificateVerificationError
	switch {
	case err == nil:
		return schemas.OK
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT), errors.As(err, &network) && network.Timeout():
		return schemas.TimedOut
	case errors.As(err, &name):
		return schemas.NameError
	case errors.As(err, &status):
		return schemas.BadStatus
	case errors.As(err, &handshake), errors.As(err, &certificate):
		return schemas.TLSError
	case errors.Is(err, syscall.ECONNREFUSED):
		return schemas.Refused
	case errors.Is(err, errUnreachable), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return schemas.Unreachable
	default:
		return schemas.OtherError
	}
}

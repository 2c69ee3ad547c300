package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/database"
)

// errUnreachable says that a router or the target's host reported that there is no way.
var errUnreachable = errors.New("destination unreachable")

// tlsError marks what went wrong in a TLS handshake.
type tlsError struct{ error }

func (e tlsError) Unwrap() error { return e.error }

// answerError is an answer that says the app is not well, or is not what it should be.
type answerError string

func (e answerError) Error() string { return string(e) }

// excerpt is a text of somebody else's, short enough for an error.
func excerpt(text string) string {
	const most = 200
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// classify sorts an error into the outcomes of samples.
func classify(err error) schemas.Outcome {
	var network net.Error
	var name *net.DNSError
	var handshake tlsError
	var answer answerError
	var certificate *tls.CertificateVerificationError
	switch {
	case err == nil:
		return schemas.OK
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT), errors.As(err, &network) && network.Timeout():
		return schemas.TimedOut
	case errors.As(err, &name):
		return schemas.NameError
	case errors.As(err, &answer):
		return schemas.BadStatus
	case errors.As(err, &handshake), errors.As(err, &certificate), errors.Is(err, database.ErrTLS):
		return schemas.TLSError
	case errors.Is(err, syscall.ECONNREFUSED):
		return schemas.Refused
	case errors.Is(err, errUnreachable), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return schemas.Unreachable
	default:
		return schemas.OtherError
	}
}

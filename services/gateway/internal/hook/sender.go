package hook

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
)

var (
	errUnconfigured = errors.New("this webhook has no secret configured, so nothing can be accepted from it")
	errSecret       = errors.New("the bearer token is missing or wrong")
	errPath         = errors.New("the secret at the end of the address is wrong")
	errSignature    = errors.New("X-Hub-Signature-256 is missing or is not of this body: the webhook's secret and Leeward's differ")
)

// sender proves who sends: by what stands beside the body, before any of it is read, or by the body's signature.
type sender struct {
	// verified is how, as events carry it.
	verified string
	// header refuses a call by its header and address.
	header func(r *http.Request, secret string) error
	// body refuses a body; nil when the header is proof.
	body func(r *http.Request, secret string, body []byte) error
}

// The ways in which senders prove who they are.
var (
	byBearer = sender{verified: "bearer", header: func(r *http.Request, secret string) error {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !same(token, secret) || !ok {
			return errSecret
		}
		return nil
	}}
	byPath = sender{verified: "path", header: func(r *http.Request, secret string) error {
		if !same(r.PathValue("secret"), secret) {
			return errPath
		}
		return nil
	}}
	byHMAC = sender{verified: "hmac", header: func(r *http.Request, _ string) error {
		_, err := signature(r)
		return err
	}, body: func(r *http.Request, secret string, body []byte) error {
		got, err := signature(r)
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		if err != nil || !hmac.Equal(got, mac.Sum(nil)) {
			return errSignature
		}
		return nil
	}}
)

// admit returns the body of a call whose sender is known. A source without a secret is refused, whatever it sends.
func (s sender) admit(w http.ResponseWriter, r *http.Request, secret string) ([]byte, error) {
	if secret == "" {
		return nil, errUnconfigured
	}
	if err := s.header(r, secret); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if err == nil && s.body != nil {
		err = s.body(r, secret, body)
	}
	return body, err
}

// signature is what a signed call carries; a call without one is refused before its body is read.
func signature(r *http.Request) ([]byte, error) {
	digits, ok := strings.CutPrefix(r.Header.Get("X-Hub-Signature-256"), "sha256=")
	sum, err := hex.DecodeString(digits)
	if !ok || err != nil || len(sum) != sha256.Size {
		return nil, errSignature
	}
	return sum, nil
}

// same compares in constant time, whatever the lengths.
func same(got, want string) bool {
	a, b := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

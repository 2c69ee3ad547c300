package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// targets are what is measured, in the bench's own process.
type targets struct {
	tcp, http, https string
	ca               string
}

func listen(dir string) (*targets, error) {
	t := &targets{ca: filepath.Join(dir, "ca.pem")}
	certificate, err := t.certificate()
	if err != nil {
		return nil, err
	}
	listeners := make([]net.Listener, 3)
	for i, addr := range []*string{&t.tcp, &t.http, &t.https} {
		if listeners[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, err
		}
		*addr = listeners[i].Addr().String()
	}
	go func() {
		for {
			c, err := listeners[0].Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	go func() { _ = (&http.Server{Handler: hello, ReadHeaderTimeout: time.Minute}).Serve(listeners[1]) }()
	go func() {
		secured := tls.NewListener(listeners[2], &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"}})
		_ = (&http.Server{Handler: hello, ReadHeaderTimeout: time.Minute}).Serve(secured)
	}()
	return t, nil
}

// certificate makes a certificate of the loopback, and writes it where probers and peers look for what they trust.
func (t *targets) certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	if err := os.WriteFile(t.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

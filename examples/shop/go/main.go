// Command shop is the shop in one static binary, front end included: the same answers as the Node.js one beside it.
package main

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/hex"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// The built front end; the Dockerfile puts it there.
//
//go:embed all:dist
var dist embed.FS

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	if err := run(log); err != nil {
		log.Error("shop closed", "error", err)
		os.Exit(1)
	}
}

func run(log *slog.Logger) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	pages, err := fs.Sub(dist, "dist")
	if err != nil {
		return err
	}
	primary := os.Getenv("DATABASE_URL")
	write, err := openDatabase(primary)
	if err != nil {
		return err
	}
	defer write.close()
	// Products are read from a replica nearby, where there is one.
	read := write
	if replica := os.Getenv("DATABASE_READ_URL"); replica != "" && replica != primary {
		if read, err = openDatabase(replica); err != nil {
			return err
		}
		defer read.close()
	}
	s := &shop{
		// Told in every answer, so that whoever asks knows who answered.
		instance: env("LEEWARD_REGION", "local") + "/" + env("LEEWARD_VARIANT", "source") + "/" + random(),
		image:    os.Getenv("LEEWARD_IMAGE"),
		read:     read, write: write, pages: pages, log: log,
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(env("HOST", "0.0.0.0"), env("PORT", "8080")))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	log.Info("shop open", "address", listener.Addr().String(), "instance", s.instance)
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	// No new connections; the requests in hand are answered.
	grace, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := server.Shutdown(grace); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func random() string {
	bytes := make([]byte, 6)
	rand.Read(bytes)
	return hex.EncodeToString(bytes)
}

// Package buildkit drives a BuildKit daemon: one build, pushed once. It tells a Dockerfile that does not build from a daemon that is away.
package buildkit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/docker/cli/cli/config"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
	"github.com/moby/buildkit/util/grpcerrors"
	"github.com/rs/zerolog"
	"github.com/tonistiigi/fsutil"
	"google.golang.org/grpc/codes"

	"github.com/leeward-failover/leeward/services/builder/internal/progress"
	"github.com/leeward-failover/leeward/services/builder/internal/source"
)

// ErrAway says that the daemon did not answer, or went away during a build: the build itself was not judged.
var ErrAway = errors.New("BuildKit is away")

// Failure is the message of a build that can not succeed as it is.
type Failure struct{ Message string }

func (f Failure) Error() string { return f.Message }

// Engine is a BuildKit daemon.
type Engine struct {
	client  *client.Client
	timeout time.Duration
	log     zerolog.Logger

	mu   sync.Mutex
	away error
}

// Connect names the daemon at an address; it need not be there yet. A build may take as long as timeout.
func Connect(ctx context.Context, addr string, timeout time.Duration, log zerolog.Logger) (*Engine, error) {
	c, err := client.New(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("connect to BuildKit %s: %w", addr, err)
	}
	return &Engine{client: c, timeout: timeout, log: log, away: ErrAway}, nil
}

// Close ends the connection.
func (e *Engine) Close() { _ = e.client.Close() }

// Watch keeps asking whether the daemon is there, for Ready, until ctx ends.
func (e *Engine) Watch(ctx context.Context) error {
	for {
		_ = e.ask(ctx)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// Ready returns why the daemon can not build at the moment, or nil.
func (e *Engine) Ready() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.away
}

// Wait returns once the daemon answers.
func (e *Engine) Wait(ctx context.Context) error {
	for {
		if e.ask(ctx) == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// ask asks whether the daemon answers, and tells the log when that changes.
func (e *Engine) ask(ctx context.Context) error {
	one, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	_, err := e.client.Info(one)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrAway, err)
	}
	e.mu.Lock()
	before := e.away
	e.away = err
	e.mu.Unlock()
	switch {
	case before == nil && err != nil:
		e.log.Warn().Err(err).Msg("BuildKit lost")
	case before != nil && err == nil:
		e.log.Info().Msg("BuildKit found")
	}
	return err
}

// Request is one build, of a folder or of a commit.
type Request struct {
	Context *source.Context
	Commit  *Commit
	Target  string
	Args    map[string]string
	// Pins are image references of the Dockerfile with the references to use instead.
	Pins map[string]string
	// Image is where the result is pushed, host/repository:tag; Plain without TLS.
	Image string
	Plain bool
}

// Build builds and pushes, and returns the digest of the pushed index with the record of the steps. The record is there for a failed build too.
func (e *Engine) Build(ctx context.Context, r Request) (string, *progress.Record, error) {
	record := progress.NewRecord()
	limited, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	status := make(chan *client.SolveStatus)
	collected := make(chan struct{})
	go func() {
		defer close(collected)
		for s := range status {
			for _, name := range record.Add(s) {
				e.log.Debug().Str("image", r.Image).Str("step", name).Msg("step ended")
			}
		}
	}()
	response, err := e.client.Solve(limited, nil, e.options(r), status)
	<-collected
	if err == nil {
		return response.ExporterResponse["containerimage.digest"], record, nil
	}
	err = e.judge(ctx, limited, err)
	if message := record.Failure(); message != "" && errors.As(err, new(Failure)) && limited.Err() == nil {
		err = Failure{message}
	}
	return "", record, err
}

// judge tells a build that failed from a daemon that is away and from a caller that gave up.
func (e *Engine) judge(ctx, limited context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case limited.Err() != nil:
		return Failure{fmt.Sprintf("the build took longer than %s", e.timeout)}
	case grpcerrors.Code(err) == codes.Unavailable || e.ask(ctx) != nil:
		return fmt.Errorf("%w: %w", ErrAway, err)
	}
	return Failure{err.Error()}
}

func (e *Engine) options(r Request) client.SolveOpt {
	attrs := map[string]string{
		"attest:provenance": "mode=min",
		// All times in the image are this one, so that the same content is the same digest; an app may set another.
		"build-arg:SOURCE_DATE_EPOCH": "0",
	}
	if r.Target != "" {
		attrs["target"] = r.Target
	}
	for name, value := range r.Args {
		attrs["build-arg:"+name] = value
	}
	for image, pinned := range r.Pins {
		attrs["context:"+image] = "docker-image://" + pinned
	}
	options := client.SolveOpt{
		Frontend: "dockerfile.v0", FrontendAttrs: attrs,
		Exports: []client.ExportEntry{{Type: client.ExporterImage, Attrs: map[string]string{
			"name": r.Image, "push": "true", "registry.insecure": strconv.FormatBool(r.Plain),
			"oci-mediatypes": "true", "rewrite-timestamp": "true",
		}}},
		Session: []session.Attachable{authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{
			AuthConfigProvider: authprovider.LoadAuthConfig(config.LoadDefaultConfigFile(io.Discard)),
		})},
	}
	if r.Commit != nil {
		r.Commit.options(&options)
		return options
	}
	attrs["filename"] = r.Context.Dockerfile
	files := r.Context.Files()
	options.LocalMounts = map[string]fsutil.FS{"context": files, "dockerfile": files}
	return options
}

// Package natsd runs a NATS server with JetStream that syncs every write, with one user per service and vantage from the permission table. Production runs nats-server from the configuration file that Config writes.
package natsd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/pkg/filelock"
	"github.com/leeward-failover/leeward/schemas"
)

// Options say where the server listens and keeps its data, and who may connect.
type Options struct {
	// Addr is host:port.
	Addr string
	// Store is the folder of the streams.
	Store string
	// Keys is the folder of the nkey seeds, a file <user>.nk each, mode 0600; missing ones are made.
	Keys string
	// Vantages get a user each.
	Vantages []string
	// Unsynced lets the server acknowledge what is not on the disk yet. It is for the test that shows what that loses, and for measuring what it costs.
	Unsynced bool
	Log      zerolog.Logger
}

// What Start and the configuration file say alike.
const (
	maxPayload   = 1 << 20
	pingInterval = 5 * time.Second
	pingMax      = 2
)

// services are the users that are not vantages.
var services = []schemas.Service{schemas.Setup, schemas.Gateway, schemas.Builder, schemas.Recorder, schemas.Ranker, schemas.Actuator, schemas.Runtime}

// Start starts a server and returns when it accepts connections.
func Start(o Options) (*server.Server, error) {
	host, portText, err := net.SplitHostPort(o.Addr)
	if err != nil {
		return nil, fmt.Errorf("bus address %q: %w", o.Addr, err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, fmt.Errorf("bus address %q: the port is not a number", o.Addr)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	users, err := o.users()
	if err != nil {
		return nil, err
	}
	s, err := server.NewServer(&server.Options{
		ServerName: "leeward", Host: host, Port: port, NoSigs: true, NoLog: false,
		JetStream: true, StoreDir: o.Store, SyncAlways: !o.Unsynced, Nkeys: users, MaxPayload: maxPayload,
		PingInterval: pingInterval, MaxPingsOut: pingMax,
	})
	if err != nil {
		return nil, fmt.Errorf("bus: %w", err)
	}
	s.SetLogger(logger{o.Log}, false, false)
	s.Start()
	if !s.ReadyForConnections(20 * time.Second) {
		s.Shutdown()
		return nil, fmt.Errorf("bus: not ready on %s after 20 s; is the address free?", o.Addr)
	}
	return s, nil
}

// Run runs a server until ctx ends. It refuses a store that another process has open: two servers on one would write over each other.
func Run(ctx context.Context, o Options) error {
	if err := os.MkdirAll(o.Store, 0o750); err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	unlock, err := filelock.Try(filepath.Join(o.Store, "leeward.lock"))
	if err != nil {
		return fmt.Errorf("bus: %s: %w", o.Store, err)
	}
	defer unlock()
	s, err := Start(o)
	if err != nil {
		return err
	}
	o.Log.Info().Str("address", s.Addr().String()).Msg("bus served")
	<-ctx.Done()
	s.Shutdown()
	s.WaitForShutdown()
	return ctx.Err()
}

func (o Options) users() ([]*server.NkeyUser, error) {
	var users []*server.NkeyUser
	add := func(s schemas.Service, vantage string) error {
		u, err := userOf(o.Keys, schemas.UserName(s, vantage), schemas.Permit(s, vantage))
		users = append(users, u)
		return err
	}
	for _, s := range services {
		if err := add(s, ""); err != nil {
			return nil, err
		}
	}
	for _, v := range o.Vantages {
		if err := add(schemas.Prober, v); err != nil {
			return nil, err
		}
	}
	return users, nil
}

func userOf(keys, name string, p schemas.Permissions) (*server.NkeyUser, error) {
	public, err := PublicKey(keys, name)
	if err != nil {
		return nil, err
	}
	return &server.NkeyUser{Nkey: public, Permissions: &server.Permissions{
		Publish: &server.SubjectPermission{Allow: p.Publish}, Subscribe: &server.SubjectPermission{Allow: p.Subscribe},
	}}, nil
}

// CreateKeys makes the seeds of all users that have none yet, so that clients can start beside the server.
func CreateKeys(keys string, vantages []string) error {
	_, err := Options{Keys: keys, Vantages: vantages}.users()
	return err
}

// SeedFile is where a user's nkey seed is kept: in a folder of the user's own if there is one, such as a volume that nobody else is given.
func SeedFile(keys, user string) string {
	own := filepath.Join(keys, user)
	if info, err := os.Stat(own); err == nil && info.IsDir() {
		return filepath.Join(own, "nkey")
	}
	return own + ".nk"
}

// PublicKey returns a user's public key, after making the seed when there is none.
func PublicKey(keys, user string) (string, error) {
	path := SeedFile(keys, user)
	seed, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		seed, err = createSeed(path)
	}
	if err != nil {
		return "", fmt.Errorf("bus user %s: %w", user, err)
	}
	pair, err := nkeys.FromSeed(seed)
	if err != nil {
		return "", fmt.Errorf("bus user %s: seed file %s: %w", user, path, err)
	}
	return pair.PublicKey()
}

func createSeed(path string) ([]byte, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	pair, err := nkeys.CreateUser()
	if err != nil {
		return nil, err
	}
	seed, err := pair.Seed()
	if err != nil {
		return nil, err
	}
	return seed, os.WriteFile(path, seed, 0o600)
}

// logger passes the server's messages on, the chatty ones as debug.
type logger struct{ log zerolog.Logger }

func (l logger) Noticef(format string, v ...any) { l.log.Debug().Msgf(format, v...) }
func (l logger) Warnf(format string, v ...any)   { l.log.Warn().Msgf(format, v...) }
func (l logger) Fatalf(format string, v ...any)  { l.log.Error().Msgf(format, v...) }
func (l logger) Errorf(format string, v ...any)  { l.log.Error().Msgf(format, v...) }
func (l logger) Debugf(format string, v ...any)  { l.log.Debug().Msgf(format, v...) }
func (l logger) Tracef(format string, v ...any)  { l.log.Trace().Msgf(format, v...) }

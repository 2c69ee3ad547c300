// Package up runs all of Leeward on one machine: the bus, the embedded ClickHouse and every service, each a process of its own that is started again when it dies.
package up

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/leeward-failover/leeward/pkg/supervise"
)

// State is the folder that holds everything one installation keeps.
type State string

func (s State) path(parts ...string) string {
	return filepath.Join(append([]string{string(s)}, parts...)...)
}

// Logs holds a file per process.
func (s State) Logs() string { return s.path("log") }

// Keys holds the bus users' seeds.
func (s State) Keys() string { return s.path("keys") }

// APIToken is the file with the token that writes to the API need.
func (s State) APIToken() string { return s.path("api-token") }

// DSN is the file with the embedded ClickHouse's DSN.
func (s State) DSN() string { return s.path("clickhouse-dsn") }

// Processes is the file in which up says how its processes fare.
func (s State) Processes() string { return s.path("processes.json") }

// PIDFile holds the supervisor's process id.
func (s State) PIDFile() string { return s.path("up.pid") }

// LoopbackSocket is where the simulated regions take commands.
func (s State) LoopbackSocket() string { return s.path("loopback.sock") }

// UpLog is where a detached supervisor writes.
func (s State) UpLog() string { return s.path("up.log") }

// prepare makes the folder, readable by its owner only.
func (s State) prepare() error {
	for _, folder := range []string{string(s), s.Logs(), s.Keys()} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
	}
	return nil
}

// secret returns the reference to a secret file, after making one when there is none.
func (s State) secret(name string) (reference string, err error) {
	path := s.path(name)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		if err := os.WriteFile(path, []byte(randomText()+"\n"), 0o600); err != nil {
			return "", err
		}
	}
	return "file:" + path, nil
}

func randomText() string {
	var b [24]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// writeDSN writes the DSN of the embedded ClickHouse, whose password is the secret of that name.
func (s State) writeDSN(addr, secret string) error {
	token, err := os.ReadFile(s.path(secret))
	if err != nil {
		return err
	}
	dsn := fmt.Sprintf("http://leeward:%s@%s/default\n", strings.TrimSpace(string(token)), addr)
	return os.WriteFile(s.DSN(), []byte(dsn), 0o600)
}

// record writes how the processes fare, whole or not at all.
func (s State) record(states []supervise.State) error {
	data, err := json.MarshalIndent(states, "", "  ")
	if err != nil {
		return err
	}
	next := s.Processes() + ".new"
	if err := os.WriteFile(next, append(data, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(next, s.Processes())
}

package target

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/weight"
)

// HAProxy is a backend of an HAProxy, changed through its runtime socket. HAProxy keeps no epoch, so that it can not refuse a late writer:
// the caller must hold the app's lease and epoch. Weights set this way are lost when HAProxy restarts.
type HAProxy struct {
	Label  string
	Config schemas.HAProxyTarget
}

// answerWithin is how long the runtime socket may take; it answers in well under a millisecond.
const answerWithin = time.Second

// Name is the target's name in the topology.
func (h HAProxy) Name() string { return h.Label }

// Read returns the weights of the backend's servers that stand for candidates.
func (h HAProxy) Read(ctx context.Context) (weight.Set, error) {
	reply, err := h.ask(ctx, "show servers state "+h.Config.Backend)
	if err != nil {
		return nil, err
	}
	weights, err := parseState(reply)
	if err != nil {
		return nil, fmt.Errorf("haproxy %s: %w", h.Config.Socket, err)
	}
	set := weight.Set{}
	for _, s := range h.Config.Servers {
		w, ok := weights[s.Server]
		if !ok {
			return nil, fmt.Errorf("haproxy %s: backend %s has no server %s", h.Config.Socket, h.Config.Backend, s.Server)
		}
		set[schemas.Candidate{Region: s.Region, Variant: s.Variant}] = w
	}
	return set, nil
}

// Columns of `show servers state`, version 1.
const (
	stateVersion = "1"
	columnServer = 3
	columnWeight = 7
)

// parseState reads each server's present weight.
func parseState(reply string) (map[string]int, error) {
	version, table, _ := strings.Cut(reply, "\n")
	if version != stateVersion {
		return nil, fmt.Errorf("%q is not the state of servers", strings.TrimSpace(reply))
	}
	weights := map[string]int{}
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) <= columnWeight || strings.HasPrefix(line, "#") {
			continue
		}
		w, err := strconv.Atoi(fields[columnWeight])
		if err != nil {
			return nil, fmt.Errorf("server %s: weight %q is not a number", fields[columnServer], fields[columnWeight])
		}
		weights[fields[columnServer]] = w
	}
	return weights, nil
}

// Requests returns how many requests the backend has been sent since HAProxy started; in mode tcp, connections.
func (h HAProxy) Requests(ctx context.Context) (uint64, error) {
	const backend, anyServer = "2", "-1"
	reply, err := h.ask(ctx, strings.Join([]string{"show stat", h.Config.Backend, backend, anyServer}, " "))
	if err != nil {
		return 0, err
	}
	n, err := parseRequests(reply)
	if err != nil {
		return 0, fmt.Errorf("haproxy %s: backend %s: %w", h.Config.Socket, h.Config.Backend, err)
	}
	return n, nil
}

// parseRequests reads the requests, or else the sessions, of the one row of `show stat`.
func parseRequests(reply string) (uint64, error) {
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(strings.TrimSpace(reply), "# "))).ReadAll()
	if err != nil || len(rows) != 2 {
		return 0, fmt.Errorf("%.200q are not the statistics of one backend", reply)
	}
	for _, column := range []string{"req_tot", "stot"} {
		if i := slices.Index(rows[0], column); i >= 0 && rows[1][i] != "" {
			return strconv.ParseUint(rows[1][i], 10, 64)
		}
	}
	return 0, errors.New("the statistics count neither requests nor sessions")
}

// Apply sets every candidate's weight in one command line, growing ones first, so that the backend is never without a server.
func (h HAProxy) Apply(ctx context.Context, c Change) (Outcome, error) {
	if err := c.Next.Validate(); err != nil {
		return Conflict, err
	}
	seen, err := h.Read(ctx)
	if err != nil {
		return Unknown, err
	}
	for candidate := range c.Next {
		if _, ok := seen[candidate]; !ok {
			return Conflict, fmt.Errorf("haproxy %s: no server stands for %s", h.Config.Socket, candidate)
		}
	}
	switch {
	case seen.Equal(c.Next):
		return Applied, nil
	case !seen.Equal(c.Expected):
		return Conflict, fmt.Errorf("%w: it has %s, not %s", ErrConflict, seen, c.Expected)
	}
	reply, err := h.ask(ctx, h.command(seen, c.Next))
	switch said := strings.Join(strings.Fields(reply), " "); {
	case err != nil:
	case said != "":
		err = fmt.Errorf("haproxy %s: %s", h.Config.Socket, said)
	case reply == "":
		// A command that worked is answered with an empty line; no line at all is a connection that broke.
		err = fmt.Errorf("haproxy %s: no reply", h.Config.Socket)
	}
	if err == nil {
		return Applied, nil
	}
	if seen, again := h.Read(ctx); again == nil && seen.Equal(c.Next) {
		return Applied, nil
	}
	return Unknown, err
}

// command is the line that turns one set of weights into another.
func (h HAProxy) command(seen, next weight.Set) string {
	growth := func(s schemas.HAProxyServer) int {
		c := schemas.Candidate{Region: s.Region, Variant: s.Variant}
		return next[c] - seen[c]
	}
	servers := slices.SortedStableFunc(slices.Values(h.Config.Servers), func(a, b schemas.HAProxyServer) int {
		return cmp.Compare(growth(b), growth(a))
	})
	var commands []string
	for _, s := range servers {
		if growth(s) != 0 {
			w := next[schemas.Candidate{Region: s.Region, Variant: s.Variant}]
			commands = append(commands, fmt.Sprintf("set server %s/%s weight %d", h.Config.Backend, s.Server, w))
		}
	}
	return strings.Join(commands, "; ")
}

// ask sends one line over a connection of its own and returns the whole reply.
func (h HAProxy) ask(ctx context.Context, line string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", h.Config.Socket)
	if err != nil {
		return "", fmt.Errorf("haproxy: %w", err)
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := io.WriteString(conn, line+"\n"); err != nil {
		return "", fmt.Errorf("haproxy: %w", err)
	}
	reply, err := io.ReadAll(conn)
	if err != nil {
		return "", fmt.Errorf("haproxy %s: %w", h.Config.Socket, err)
	}
	return string(reply), nil
}

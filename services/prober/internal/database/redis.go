package database

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// redisServer is a session with Redis.
type redisServer struct {
	client *redis.Client
	conn   net.Conn
	// run is the identity of the server's process, once it was asked for.
	run  string
	gone bool
}

// heartbeatKey is a stream of one entry, the newest heartbeat of any vantage. The server numbers entries by its clock in milliseconds and, within one, by
// a count, and never goes back: after its clock was set back it counts on within the last millisecond, also on a replica that was promoted.
const heartbeatKey = "leeward:heartbeat"

func openRedis(ctx context.Context, url string, w *stopwatch) (session, error) {
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, ErrUnreadable
	}
	conn, err := w.open(ctx, o.Network, o.Addr)
	if err == nil && o.TLSConfig != nil {
		conn, err = w.secure(ctx, conn, o.TLSConfig)
	}
	if err != nil {
		return nil, err
	}
	// The client is for this connection alone, and says nothing that it was not asked to.
	var used atomic.Bool
	o.Dialer = func(context.Context, string, string) (net.Conn, error) {
		if used.Swap(true) {
			return nil, net.ErrClosed
		}
		return conn, nil
	}
	o.PoolSize, o.PipelinePoolSize, o.MaxRetries, o.DialerRetries, o.ConnMaxIdleTime, o.ConnMaxLifetime = 1, -1, -1, 1, -1, -1
	o.ReadTimeout, o.WriteTimeout, o.ContextTimeoutEnabled = -1, -1, true
	o.Protocol, o.DisableIdentity, o.MaintNotificationsConfig = 2, true, &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return &redisServer{client: redis.NewClient(o), conn: conn}, nil
}

// settle logs in, which the first command does.
func (r *redisServer) settle(ctx context.Context, _ bool) error {
	_, _, err := r.ask(ctx, func(p redis.Pipeliner) { p.Ping(ctx) })
	return err
}

func (r *redisServer) read(ctx context.Context) (a answer, err error) {
	var newest *redis.XMessageSliceCmd
	a.server, _, err = r.ask(ctx, func(p redis.Pipeliner) { newest = p.XRevRangeN(ctx, heartbeatKey, "+", "-", 1) })
	if err != nil || len(newest.Val()) == 0 {
		return a, err
	}
	err = a.entry(newest.Val()[0].ID)
	return a, err
}

func (r *redisServer) write(ctx context.Context, vantage string) (a answer, err error) {
	var added *redis.StringCmd
	var replica bool
	a.server, replica, err = r.ask(ctx, func(p redis.Pipeliner) {
		added = p.XAdd(ctx, &redis.XAddArgs{Stream: heartbeatKey, MaxLen: 1, Values: []any{"vantage", vantage}})
	})
	if err == nil && replica {
		// One that is not read-only has taken the write for itself.
		err = errReadOnly
	}
	if err != nil {
		return a, err
	}
	err = a.entry(added.Val())
	return a, err
}

// entry reads the time and the token out of an entry's number, 1795818711883-0. The token has room for a million heartbeats within a millisecond, and two days of them while a clock that was set back catches up.
func (a *answer) entry(id string) error {
	milli, count, _ := strings.Cut(id, "-")
	at, err1 := strconv.ParseInt(milli, 10, 64)
	n, err2 := strconv.ParseInt(count, 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("heartbeat %q: %w", id, err)
	}
	a.heartbeat.At, a.heartbeat.Token = time.UnixMilli(at), at<<20+n
	return nil
}

// ask sends a command, and with it the question who answers.
func (r *redisServer) ask(ctx context.Context, command func(redis.Pipeliner)) (who string, replica bool, err error) {
	// The client minds deadlines and nothing else.
	defer context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) {
			_ = r.conn.Close()
		}
	})()
	var role *redis.Cmd
	var info *redis.StringCmd
	_, err = r.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		command(p)
		role = p.Do(ctx, "ROLE")
		if r.run == "" {
			info = p.Info(ctx, "server")
		}
		return nil
	})
	if info != nil {
		_, rest, _ := strings.Cut(info.Val(), "run_id:")
		r.run, _, _ = strings.Cut(rest, "\r\n")
	}
	if parts, _ := role.Slice(); len(parts) > 0 {
		replica = parts[0] != "master"
		who = server(replica, r.run)
	}
	var answer redis.Error
	if r.gone = err != nil && !errors.As(err, &answer); r.gone {
		return who, replica, err
	}
	return who, replica, redisError(err)
}

func (r *redisServer) broken() bool { return r.gone }

func (r *redisServer) close(context.Context) {
	_ = r.client.Close()
	_ = r.conn.Close()
}

// redisTroubles begin the errors of a server that would not do anything for anybody: it starts, stands alone, has no memory or disk left, or is busy.
var redisTroubles = []string{"LOADING", "MASTERDOWN", "CLUSTERDOWN", "NOREPLICAS", "OOM", "MISCONF", "BUSY", "TRYAGAIN"}

// redisError marks what a server denied.
func redisError(err error) error {
	if err == nil {
		return nil
	}
	code, _, _ := strings.Cut(err.Error(), " ")
	switch {
	case slices.Contains(redisTroubles, code):
		return err
	case code == "READONLY":
		return fmt.Errorf("%w: %w", errReadOnly, err)
	}
	return fmt.Errorf("%w: %w", ErrDenied, err)
}

package prepare

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/leeward-failover/leeward/services/prober/internal/database"
)

type redisServer struct{ options *redis.Options }

func newRedis(url string) (engine, error) {
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, database.ErrUnreadable
	}
	o.DisableIdentity, o.MaintNotificationsConfig = true, &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redisServer{o}, nil
}

// The heartbeats' key comes to be when it is written. Rules of access are each server's own: a replica does not get them from its primary.
func (redisServer) statements(role string) []string {
	return []string{"ACL SETUSER " + role + " reset on >" + secret + " ~leeward:* -@all +xadd +xrevrange +role +info +ping +select"}
}

// fill says the password as the server keeps it, so that it does not travel.
func (redisServer) fill(statement, password string) string {
	sum := sha256.Sum256([]byte(password))
	return strings.ReplaceAll(statement, ">"+secret, "#"+hex.EncodeToString(sum[:]))
}

func (r redisServer) run(ctx context.Context, statements []string) (warning string, err error) {
	client := redis.NewClient(r.options)
	defer func() { _ = client.Close() }()
	for _, s := range statements {
		var command []any
		for word := range strings.FieldsSeq(s) {
			command = append(command, word)
		}
		if err := client.Do(ctx, command...).Err(); err != nil {
			return "", fmt.Errorf("%w: connect as who may use ACL SETUSER; where a provider makes the users, give it the rules that --print prints", err)
		}
	}
	return keep(ctx, client), nil
}

// keep has the server keep its rules of access in its file for them, or in its configuration, and warns when it can not.
func keep(ctx context.Context, client *redis.Client) (warning string) {
	if client.Do(ctx, "ACL", "SAVE").Err() == nil {
		return ""
	}
	err := client.ConfigRewrite(ctx).Err()
	if err == nil {
		return ""
	}
	return fmt.Sprintf("the role is gone when the server restarts, because it can not be kept (%v): give the server an aclfile, or a configuration file that it may write, and run this again\n", err)
}

// forget leaves the heartbeat, which the next one replaces: without any a replica would seem to hold none.
func (redisServer) forget(context.Context, string) error { return nil }

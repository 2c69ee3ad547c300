//go:build scratch

package main

import (
	"context"
	"errors"

	"github.com/leeward-failover/leeward/pkg/daemon"
)

func heavy() map[string]daemon.Run { return nil }

func locate(context.Context) (string, error) {
	return "", errors.New("this leeward was built without the embedded ClickHouse: name a server with --clickhouse")
}

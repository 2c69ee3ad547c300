// Command gateway runs the gateway as a process of its own.
package main

import (
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/services/gateway"
)

func main() { daemon.Main("gateway", gateway.Run) }

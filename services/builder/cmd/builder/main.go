// Command builder runs the builder as a process of its own.
package main

import (
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/services/builder"
)

func main() { daemon.Main("builder", builder.Run) }

// Command prober measures every endpoint of every app from one vantage.
package main

import (
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/services/prober"
)

func main() { daemon.Main("prober", prober.Confined) }

// Command ranker runs the ranker as a process of its own.
package main

import (
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/services/ranker"
)

func main() { daemon.Main("ranker", ranker.Run) }

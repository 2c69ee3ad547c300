// Command recorder runs the recorder as a process of its own.
package main

import (
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/services/recorder"
)

func main() { daemon.Main("recorder", recorder.Run) }

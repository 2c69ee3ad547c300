// Command failover-actuator runs the service of that name.
package main

import (
	actuator "github.com/leeward-failover/leeward/services/failover-actuator"

	"github.com/leeward-failover/leeward/pkg/daemon"
)

func main() { daemon.Main("failover-actuator", actuator.Run) }

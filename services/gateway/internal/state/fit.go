package state

import (
	"fmt"

	"github.com/leeward-failover/leeward/schemas"
)

// maxPart is how many bytes a part of a topology may have: a message's 1 MiB, as NATS limits it unless told otherwise, with room for headers.
const maxPart = 1<<20 - 4<<10

// Fit says which part of a topology would not fit into a message of the bus.
func Fit(t schemas.Topology) error {
	for _, a := range t.Apps {
		_, data, err := schemas.TopologyBucket.Encode(schemas.TopologyPart{Topology: t.Hash(), App: &a})
		if err != nil {
			return err
		}
		if len(data) > maxPart {
			return fmt.Errorf("app %s with its %d endpoints takes %d KiB on the bus, and a message holds %d: split it into apps of fewer variants or regions", a.Name, len(a.Endpoints), len(data)>>10, maxPart>>10)
		}
	}
	return nil
}

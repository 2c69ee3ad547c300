package loopback

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/leeward-failover/leeward/pkg/clock"
	"github.com/leeward-failover/leeward/pkg/roundtrip"
)

// Network is what lies between the places: how long it takes from one to another, and who is cut off.
type Network struct {
	table roundtrip.Table

	mu     sync.Mutex
	cut    map[Site]bool
	healed map[Site]time.Time
	// turned is closed when a place is healed.
	turned chan struct{}
}

// NewNetwork returns a whole network with the real round trips between the places.
func NewNetwork() (*Network, error) {
	table, err := roundtrip.InterRegion()
	if err != nil {
		return nil, err
	}
	for i, a := range sites {
		for _, b := range sites[:i] {
			if _, err := table.RTT(string(a), string(b)); err != nil {
				return nil, err
			}
		}
	}
	return &Network{table: table, cut: map[Site]bool{}, healed: map[Site]time.Time{}, turned: make(chan struct{})}, nil
}

// RTT is the round trip between two places.
func (n *Network) RTT(a, b Site) time.Duration {
	rtt, _ := n.table.RTT(string(a), string(b)) // known for all: NewNetwork looked
	return rtt
}

// Cut cuts a region off from everywhere: what is on its way vanishes, and so does what is sent from now on.
func (n *Network) Cut(region Site) error { return n.turn(region, true) }

// Heal undoes Cut.
func (n *Network) Heal(region Site) error { return n.turn(region, false) }

func (n *Network) turn(region Site, cut bool) error {
	if !slices.Contains(Regions(), region) {
		return fmt.Errorf("%q is not a simulated region; they are %v", region, Regions())
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cut[region] && !cut {
		n.healed[region] = time.Now()
		close(n.turned)
		n.turned = make(chan struct{})
	}
	n.cut[region] = cut
	return nil
}

// between says whether two places are cut off from each other, when the newest cut between them ended, and when to ask again.
func (n *Network) between(a, b Site) (cut bool, healed time.Time, turned <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if healed = n.healed[a]; n.healed[b].After(healed) {
		healed = n.healed[b]
	}
	return a != b && (n.cut[a] || n.cut[b]), healed, n.turned
}

// cross waits until what was sent from one place at a moment, and takes a while, arrives at the other. What was lost in a cut is sent again when
// it ends, as TCP does, and without the time that TCP would take to notice. It returns false when ctx ends first.
func (n *Network) cross(ctx context.Context, from, to Site, sent time.Time, takes time.Duration) bool {
	for {
		if !clock.Until(ctx, sent.Add(takes)) {
			return false
		}
		cut, healed, turned := n.between(from, to)
		switch {
		case cut:
			select {
			case <-turned:
			case <-ctx.Done():
				return false
			}
		case from != to && healed.After(sent):
			sent = healed
		default:
			return true
		}
	}
}

// Link is what lies between two places.
type Link struct {
	From  string  `json:"from"`
	To    string  `json:"to"`
	RTTms float64 `json:"rtt_ms"`
	Cut   bool    `json:"cut"`
}

// Links lists every pair of places once.
func (n *Network) Links() []Link {
	var all []Link
	for i, b := range sites {
		for _, a := range sites[:i] {
			cut, _, _ := n.between(a, b)
			all = append(all, Link{string(a), string(b), float64(n.RTT(a, b).Microseconds()) / 1000, cut})
		}
	}
	return all
}

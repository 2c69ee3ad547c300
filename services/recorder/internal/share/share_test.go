package share_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/leeward-failover/leeward/services/recorder/internal/share"
)

func TestEveryPartitionIsWantedAndSharesAreFair(t *testing.T) {
	partitions := []string{"samples-0", "samples-1", "samples-2", "samples-3", "imports-0", "evaluations-0", "events-0"}
	for n := 1; n <= 9; n++ {
		holders := map[string]string{}
		var members []string
		for i := range n {
			me := fmt.Sprintf("r%d", i)
			members = append(members, me)
			holders["recorder/"+me] = me
			// The newcomer finds everything held by those who were there.
			settle(t, members, partitions, holders)
		}
		count := map[string]int{}
		for _, p := range partitions {
			count[holders[p]]++
		}
		if most, quota := slices.Max(slices.Collect(maps.Values(count))), (len(partitions)+n-1)/n; most > quota || count[""] > 0 {
			t.Errorf("%d recorders: %v, want at most %d each and none left", n, count, quota)
		}
		// One dies: its leases end, and the others take what was its.
		maps.DeleteFunc(holders, func(of, holder string) bool { return holder == members[0] })
		if n > 1 {
			settle(t, members[1:], partitions, holders)
		}
	}
}

// settle lets each recorder in turn give back and take until nothing changes.
func settle(t *testing.T, members, partitions []string, holders map[string]string) {
	t.Helper()
	for range 20 {
		before := maps.Clone(holders)
		for _, me := range members {
			wanted := share.Want(me, partitions, holders)
			for _, p := range partitions {
				switch {
				case holders[p] == me && !wanted[p]:
					delete(holders, p)
				case holders[p] == "" && wanted[p]:
					holders[p] = me
				}
			}
		}
		if maps.Equal(before, holders) {
			for _, p := range partitions {
				if holders[p] == "" || !slices.Contains(members, holders[p]) {
					t.Errorf("%s is held by %q of %s", p, holders[p], strings.Join(members, " "))
				}
			}
			return
		}
	}
	t.Fatal("recorders never agree")
}

func TestWhatAnotherHoldsIsNotWanted(t *testing.T) {
	holders := map[string]string{"recorder/a": "a", "samples-0": "a", "samples-1": "gone"}
	if got := share.Want("b", []string{"samples-0", "samples-1"}, holders); len(got) != 0 {
		t.Errorf("b wants %v of %v", got, holders)
	}
}

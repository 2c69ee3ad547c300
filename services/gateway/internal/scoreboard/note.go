package scoreboard

import (
	"cmp"
	"fmt"
)

// Notes are where the benchmarks ran, and why the newest ones failed.
func Notes(rows []Row) []string {
	var all []string
	machines := map[string]bool{}
	for _, r := range rows {
		if r.Image == nil {
			continue
		}
		if m := r.Image.Machine; !machines[m] {
			machines[m] = true
			all = append(all, "benchmarked on "+m+" from each region's registry")
		}
		if why := cmp.Or(r.Image.Cold.Error, r.Image.Warm.Error); why != "" {
			all = append(all, fmt.Sprintf("%s in %s: %s", r.Variant, r.Region, why))
		}
	}
	return all
}

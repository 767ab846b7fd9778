package host

import (
	"cmp"
	"slices"
)

// holding is how much memory an instance has, and for whom it runs.
type holding struct {
	instance *instance
	share    *Share
	bytes    int64
}

// tooMuch returns what to stop so that the rest fits into budget. Shares that hold least keep what
// they have; those that hold more than an even part of what is left lose their largest instances.
func tooMuch(all []holding, budget int64) (stop []*instance) {
	sums := map[*Share]int64{}
	for _, h := range all {
		sums[h.share] += h.bytes
	}
	most := evenPart(sums, budget)
	slices.SortFunc(all, func(a, b holding) int { return cmp.Compare(b.bytes, a.bytes) })
	for _, h := range all {
		if sums[h.share] > most {
			sums[h.share] -= h.bytes
			stop = append(stop, h.instance)
		}
	}
	return stop
}

// evenPart is how much each may hold at most, so that all fit into budget.
func evenPart(sums map[*Share]int64, budget int64) (part int64) {
	sorted := make([]int64, 0, len(sums))
	for _, sum := range sums {
		sorted = append(sorted, sum)
	}
	slices.Sort(sorted)
	for i, sum := range sorted {
		part = budget / int64(len(sorted)-i)
		if sum > part {
			return part
		}
		budget -= sum
	}
	return part
}

package main

import (
	"fmt"
	"slices"
	"strings"
)

// sizes are the numbers of cells that are simulated.
func sizes() []int { return []int{1, 3, 10, 100} }

// report is one table for each crowd, in Markdown. Each line is the median of so many simulations.
func report(cell Cell, rounds int) string {
	var b strings.Builder
	for _, crowd := range crowds() {
		fmt.Fprintf(&b, "**%s**: %s.\n\n", crowd.Name, crowd.What)
		b.WriteString("| cells | placed | tenants | viewers | events/s | deliveries/s | first wall | the others are then filled to |\n")
		b.WriteString("|---:|---|---:|---:|---:|---:|---|---:|\n")
		for _, cells := range sizes() {
			for _, p := range []Placement{ByName, Emptiest} {
				if cells == 1 && p == ByName {
					continue // there is nothing to choose
				}
				b.WriteString(line(cell, cells, crowd, p, rounds))
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

func line(cell Cell, cells int, crowd Crowd, p Placement, rounds int) string {
	var all []Outcome
	for i := range rounds {
		all = append(all, simulate(cell, cells, crowd, p, uint64(i)))
	}
	median := func(of func(Outcome) float64) float64 {
		var values []float64
		for _, o := range all {
			values = append(values, of(o))
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	placed, fill := p.String(), fmt.Sprintf("%.0f %%", 100*median(func(o Outcome) float64 { return o.Fill }))
	if cells == 1 {
		placed, fill = "", ""
	}
	return fmt.Sprintf("| %d | %s | %s | %s | %s | %s | %s | %s |\n", cells, placed,
		rounded(median(func(o Outcome) float64 { return o.Tenants })),
		rounded(median(func(o Outcome) float64 { return o.Viewers })),
		rounded(median(func(o Outcome) float64 { return o.Events })),
		rounded(median(func(o Outcome) float64 { return o.Deliveries })),
		first(all), fill)
}

// first names the walls that were reached, the most frequent first.
func first(all []Outcome) string {
	var times [walls]int
	for _, o := range all {
		times[o.Wall]++
	}
	var found []Wall
	for w := range walls {
		if times[w] > 0 {
			found = append(found, w)
		}
	}
	slices.SortStableFunc(found, func(a, b Wall) int { return times[b] - times[a] })
	var names []string
	for _, w := range found {
		name := w.String()
		if len(found) > 1 {
			name = fmt.Sprintf("%s (%d of %d)", name, times[w], len(all))
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// rounded writes a number with two digits that count, and commas.
func rounded(v float64) string {
	step := 1.0
	for v/step >= 100 {
		step *= 10
	}
	s := fmt.Sprintf("%.0f", float64(int64(v/step+0.5))*step)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

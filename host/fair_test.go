package host

import (
	"slices"
	"testing"
)

func TestTooMuch(t *testing.T) {
	for _, tt := range []struct {
		name   string
		shares [][]int64 // what the instances of each hold
		budget int64
		stop   []int64
	}{
		{"what fits goes on", [][]int64{{10, 20}, {70}}, 100, nil},
		{"nobody has anything", nil, 0, nil},
		{"who has most loses the largest", [][]int64{{10, 10}, {90, 5, 4}}, 100, []int64{90}},
		{"one alone may have all of it", [][]int64{{60, 50, 40}}, 100, []int64{60}},
		{"many small ones of one weigh as much as a large one of another", [][]int64{{5, 5, 5, 5, 5, 5, 5, 5, 5, 5}, {30}, {2}}, 40,
			[]int64{30, 5, 5, 5, 5, 5, 5, 5}},
		{"what the small ones leave is for the others", [][]int64{{1}, {2}, {47}, {60}}, 100, []int64{60}},
		{"where there is no room all go", [][]int64{{1}, {2, 3}}, 0, []int64{3, 2, 1}},
	} {
		var all []holding
		bytes := map[*instance]int64{}
		for _, held := range tt.shares {
			share := &Share{}
			for _, b := range held {
				i := &instance{}
				bytes[i] = b
				all = append(all, holding{i, share, b})
			}
		}
		var stopped []int64
		for _, i := range tooMuch(all, tt.budget) {
			stopped = append(stopped, bytes[i])
		}
		if !slices.Equal(stopped, tt.stop) {
			t.Errorf("%s: %v are stopped, want %v", tt.name, stopped, tt.stop)
		}
	}
}

package main

import (
	"bufio"
	"slices"
	"strings"
	"testing"
)

func TestLinesAreSentInBatches(t *testing.T) {
	long := strings.Repeat("x", batchBytes)
	for _, tt := range []struct {
		name, in string
		want     []int // lines of each batch
	}{
		{"nothing", "", nil},
		{"a last line without a line break", "{}\n{}", []int{2}},
		{"empty lines do not count", "\n{}\r\n\n \n", []int{1}},
		{"as many as the server takes", strings.Repeat("{}\n", 2500), []int{1000, 1000, 500}},
		{"big lines make small batches", long + "\n{}\n" + long + "\n", []int{1, 2}},
	} {
		in := bufio.NewScanner(strings.NewReader(tt.in))
		in.Buffer(nil, maxLine)
		var got []int
		var all strings.Builder
		for batch, lines := readBatch(in); lines > 0; batch, lines = readBatch(in) {
			got = append(got, lines)
			all.Write(batch)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: batches of %v lines, want %v", tt.name, got, tt.want)
		}
		if have, want := strings.Join(strings.Fields(all.String()), ""), strings.Join(strings.Fields(tt.in), ""); have != want {
			t.Errorf("%s: lines were lost or changed", tt.name)
		}
	}
}

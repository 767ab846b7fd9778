package program

import (
	"slices"
	"strings"
	"testing"
)

func TestFaultsInWhatAServerPrints(t *testing.T) {
	for _, tt := range []struct {
		name   string
		writes []string
		want   []string
	}{
		{"a panic", []string{"ready\npanic: oh\n\ngoroutine 1\n"}, []string{"panic: oh"}},
		{"a panic that comes in pieces", []string{"ready\npa", "nic: ", "oh\n"}, []string{"panic: oh"}},
		{"a data race", []string{"WARNING: DATA RACE\n"}, []string{"WARNING: DATA RACE"}},
		{"a handler's panic", []string{"level=ERROR msg=\"handler panicked\" panic=oh\n"}, []string{`level=ERROR msg="handler panicked" panic=oh`}},
		{"a callback's panic is none", []string{"level=INFO msg=\"plugin log\" line=\"panic: oh\"\n"}, nil},
		{"a line without end", []string{strings.Repeat("x", 2*maxLine), "panic: oh\n"}, nil},
	} {
		o := &output{}
		for _, w := range tt.writes {
			if n, err := o.Write([]byte(w)); n != len(w) || err != nil {
				t.Fatalf("%s: Write = %d, %v", tt.name, n, err)
			}
		}
		if _, got := o.all(); !slices.Equal(got, tt.want) {
			t.Errorf("%s: faults %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestTheEndOfLongOutputIsKept(t *testing.T) {
	o := &output{}
	line := strings.Repeat("x", 1023) + "\n"
	for range 3 * maxOutput / len(line) {
		_, _ = o.Write([]byte(line)) // never fails
	}
	_, _ = o.Write([]byte("the end\n"))
	if text, _ := o.all(); len(text) > maxOutput || !strings.HasSuffix(text, "the end\n") {
		t.Errorf("%d bytes are kept, which end in %q", len(text), text[max(0, len(text)-20):])
	}
}

package web

import (
	"fmt"
	"strings"
	"testing"
)

func newTestChannel(bound int) *channel {
	return &channel{bound: bound, base: 100, head: 100, wake: make(chan struct{})}
}

// fill appends events from seq on, each with outputs of 10 bytes.
func fill(ch *channel, from, to uint64, outputs int) {
	for seq := from; seq <= to; seq++ {
		var fs []frame
		for i := 1; i <= outputs; i++ {
			fs = append(fs, frame{seq: seq, more: i % outputs, bytes: []byte(strings.Repeat("x", 10))})
		}
		ch.append(fs, seq)
	}
}

// rest reads all frames behind a cursor as seq.more words.
func rest(t *testing.T, ch *channel, c cursor) (words string, ok bool) {
	t.Helper()
	n, ok := ch.seek(c)
	if !ok {
		return "", false
	}
	for {
		fs, _, _, still, err := ch.read(n, 25)
		if !still || err != nil {
			t.Fatalf("read(%d): still in the ring %v, error %v", n, still, err)
		}
		if len(fs) == 0 {
			return strings.TrimSpace(words), true
		}
		for _, f := range fs {
			words += fmt.Sprintf("%d.%d ", f.seq, f.more)
		}
		n += uint64(len(fs))
	}
}

func TestChannelGivesWhatLiesBehindACursor(t *testing.T) {
	ch := newTestChannel(1000)
	fill(ch, 101, 102, 3)
	for _, tt := range []struct {
		name   string
		cursor cursor
		want   string
		ok     bool
	}{
		{"before the ring", cursor{seq: 99}, "", false},
		{"in the middle of the event at the ring's base", cursor{seq: 100, output: 1}, "", false},
		{"at the ring's base", cursor{seq: 100}, "101.1 101.2 101.0 102.1 102.2 102.0", true},
		{"after the first output", cursor{seq: 101, output: 1}, "101.2 101.0 102.1 102.2 102.0", true},
		{"after the second output", cursor{seq: 101, output: 2}, "101.0 102.1 102.2 102.0", true},
		{"after an event", cursor{seq: 101}, "102.1 102.2 102.0", true},
		{"at the head", cursor{seq: 102}, "", true},
		{"ahead of the channel", cursor{seq: 200}, "", true},
	} {
		if got, ok := rest(t, ch, tt.cursor); got != tt.want || ok != tt.ok {
			t.Errorf("%s: %q, in the ring %v; want %q, %v", tt.name, got, ok, tt.want, tt.ok)
		}
	}
}

func TestChannelIsBoundedAndDropsWholeEvents(t *testing.T) {
	ch := newTestChannel(50)
	fill(ch, 101, 120, 3)
	if ch.bytes > 50 {
		t.Errorf("the ring holds %d bytes, its bound is 50", ch.bytes)
	}
	if ch.base != 119 {
		t.Errorf("base = %d, want 119: only one event of 30 bytes fits whole", ch.base)
	}
	if _, ok := ch.seek(cursor{seq: 118}); ok {
		t.Error("a cursor before the base is found in the ring")
	}
	if got, ok := rest(t, ch, cursor{seq: 119}); got != "120.1 120.2 120.0" || !ok {
		t.Errorf("behind 119: %q, %v", got, ok)
	}
	if _, _, _, still, _ := ch.read(0, 100); still {
		t.Error("a reader whose frames were dropped is not told")
	}
}

func TestChannelKeepsOneFrameHoweverLarge(t *testing.T) {
	ch := newTestChannel(5)
	fill(ch, 101, 101, 1)
	if got, ok := rest(t, ch, cursor{seq: 100}); got != "101.0" || !ok {
		t.Errorf("behind 100: %q, %v; want 101.0", got, ok)
	}
}

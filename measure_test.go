package main

import (
	"testing"
	"time"
)

func TestTheProcessIsMeasured(t *testing.T) {
	var m meter
	start := time.Now()
	if first := m.measure(start); first.CPU != 0 || first.Memory < 1<<20 || first.Goroutines < 1 || first.Timestamp != start.UnixMilli() {
		t.Errorf("first measurement is %+v", first)
	}
	used := cpuTime()
	for cpuTime()-used < 50*time.Millisecond { // until that much work was done, however long it takes
	}
	if second := m.measure(start.Add(50 * time.Millisecond)); second.CPU <= 0 {
		t.Errorf("a busy process has %v %% CPU", second.CPU)
	}
}

package main

import (
	"runtime"
	"time"
)

// measurement is what the demo's server tells about itself every second. It is the input of the
// example dashboard.
type measurement struct {
	CPU        float64 `json:"cpu"`        // percent of all cores, over the last second: 100 is all of them busy
	Memory     uint64  `json:"memory"`     // bytes of the process in main memory
	Goroutines int     `json:"goroutines"` //
	Viewers    int64   `json:"viewers"`    // streams open now
	Events     uint64  `json:"events"`     // delivered to viewers since the start
	Timestamp  int64   `json:"timestamp"`  // Unix time in milliseconds
}

// meter measures the process between one look and the next.
type meter struct {
	at  time.Time
	cpu time.Duration
}

// measure returns the figures of the process at now. CPU is 0 at the first look.
func (m *meter) measure(now time.Time) measurement {
	cpu := cpuTime()
	var percent float64
	if passed := now.Sub(m.at); !m.at.IsZero() && passed > 0 {
		percent = 100 * float64(cpu-m.cpu) / float64(passed) / float64(runtime.NumCPU())
	}
	m.at, m.cpu = now, cpu
	return measurement{
		CPU: float64(int(percent*10)) / 10, Memory: memoryBytes(),
		Goroutines: runtime.NumGoroutine(), Timestamp: now.UnixMilli(),
	}
}

// runtimeMemory is what Go has from the system, for systems that are not asked for more.
func runtimeMemory() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Sys
}

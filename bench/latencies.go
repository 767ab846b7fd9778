package bench

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// latencies counts times from a microsecond to an hour, each to one part in a thousand. It is for
// one goroutine.
type latencies struct{ histogram *hdrhistogram.Histogram }

func newLatencies() *latencies {
	return &latencies{hdrhistogram.New(1, time.Hour.Microseconds(), 3)}
}

// record takes a time in nanoseconds. One beyond the bounds counts as the bound.
func (l *latencies) record(ns int64) {
	_ = l.histogram.RecordValue(min(max(ns/1000, 1), time.Hour.Microseconds()))
}

func (l *latencies) add(other *latencies) { l.histogram.Merge(other.histogram) }

// Quantiles says how times are spread, in milliseconds.
type Quantiles struct {
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99.9"`
	Max  float64 `json:"max"`
}

// quantiles is nil if there was nothing to count.
func (l *latencies) quantiles() *Quantiles {
	if l.histogram.TotalCount() == 0 {
		return nil
	}
	at := func(percentile float64) float64 { return millis(l.histogram.ValueAtPercentile(percentile)) }
	return &Quantiles{P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: millis(l.histogram.Max())}
}

func millis(us int64) float64 { return float64(us) / 1000 }

// Bar is how many times were up to a bound and above the bar before it.
type Bar struct {
	UpTo  float64 `json:"upTo"` // milliseconds
	Count int64   `json:"count"`
}

// bars cuts all times into bars at 1, 2, 5, 10 and so on, without empty ones at either end.
func (l *latencies) bars() []Bar {
	var bars []Bar
	bound, step := int64(1), 0 // microseconds
	for _, value := range l.histogram.Distribution() {
		if value.Count == 0 {
			continue
		}
		for value.From > bound {
			if len(bars) > 0 {
				bars = append(bars, Bar{UpTo: millis(nextBound(bound, step))})
			}
			bound, step = nextBound(bound, step), (step+1)%3
		}
		if len(bars) == 0 {
			bars = append(bars, Bar{UpTo: millis(bound)})
		}
		bars[len(bars)-1].Count += value.Count
	}
	return bars
}

// nextBound follows 1, 2, 5, 10; step is where bound stands in that.
func nextBound(bound int64, step int) int64 {
	if step == 1 {
		return bound * 5 / 2
	}
	return bound * 2
}

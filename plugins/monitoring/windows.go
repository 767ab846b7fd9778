package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/millrace/millrace/abi"
)

const (
	length     = 10_000 // of a window, in milliseconds
	maxMetrics = 1000
)

// window is what one metric was like for ten seconds.
type window struct {
	Name  string  `json:"name"`
	From  int64   `json:"from"` // Unix milliseconds
	Count int     `json:"count"`
	Min   float64 `json:"min"`
	Max   float64 `json:"max"`
	Mean  float64 `json:"mean"`
}

// windows are those that go on, by metric.
type windows map[string]*window

// add counts a sample. It returns the window before, once a sample is past that; else nil. A late
// sample counts in the window that goes on. The error is abi.Limit for one metric too many.
func (ws windows) add(s sample) (ended *window, err error) {
	from := s.Timestamp - s.Timestamp%length
	w := ws[s.Name]
	switch {
	case w == nil && len(ws) >= maxMetrics:
		return nil, fmt.Errorf("metric %s is one too many: %w", s.Name, abi.Limit)
	case w == nil || from > w.From:
		ended = w
		w = &window{Name: s.Name, From: from, Min: s.Value, Max: s.Value}
		ws[s.Name] = w
	}
	w.Count++
	w.Min, w.Max = min(w.Min, s.Value), max(w.Max, s.Value)
	w.Mean += (s.Value - w.Mean) / float64(w.Count)
	return ended, nil
}

// drain returns the windows that go on, by name, and forgets them.
func (ws windows) drain() []*window {
	var all []*window
	for _, name := range slices.Sorted(maps.Keys(ws)) {
		all = append(all, ws[name])
	}
	clear(ws)
	return all
}

package wasm

import "slices"

// localLives finds out which locals live across branches: those that are touched in more than one
// stretch of code without branches, or read in one before they are written there. Code that was
// compiled without optimization has thousands of locals that live nowhere but in one.
type localLives struct {
	stretch  []uint32 // that each local was touched in first, or untouched, or crosses
	crossing uint64
}

const (
	untouched   = 1<<32 - 1
	crosses     = 1<<32 - 2
	mostTracked = 1 << 14 // locals beyond are taken to live across
)

func (l *localLives) reset(params int, locals uint64) {
	l.stretch = slices.Grow(l.stretch[:0], int(min(locals, mostTracked)))
	l.crossing = locals - min(locals, mostTracked)
	for i := range min(locals, mostTracked) {
		if i < uint64(params) {
			l.stretch = append(l.stretch, 0)
		} else {
			l.stretch = append(l.stretch, untouched)
		}
	}
}

func (l *localLives) touch(local, stretch uint32, reads bool) {
	if int(local) >= len(l.stretch) {
		return
	}
	switch at := &l.stretch[local]; {
	case *at == crosses || *at == stretch:
	case *at == untouched && (!reads || stretch == 0):
		*at = stretch
	default:
		*at = crosses
		l.crossing++
	}
}

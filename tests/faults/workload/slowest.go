package workload

import "time"

// Slowest is the longest that something took, and when that was over.
type Slowest struct {
	Took time.Duration
	At   time.Time
}

func (s *Slowest) saw(took time.Duration, at time.Time) {
	if took > s.Took {
		*s = Slowest{took, at}
	}
}

package wire

import (
	"slices"
	"time"
)

const (
	flood    = 4                     // frames that come during one round, from which on there are rests
	mostRest = 20 * time.Millisecond // between two rounds
)

// share is the viewers that one loop serves of one ring.
type share struct {
	loop    *loop
	ring    *Ring
	sockets []*socket
	told    bool // of new frames; guarded by the loop's mail
	left    int  // sockets[:left] are still to be served
	more    bool // and then all again
	queued  bool // it is among the loop's dirty ones
	resting bool // or among those that rest

	began  time.Time // this round of service
	frames uint64    // of the ring at that time
}

// appended is called by the ring.
func (sh *share) appended() { sh.loop.mail.putShare(sh) }

// begin begins a round: all sockets are to be served.
func (sh *share) begin() {
	sh.left, sh.more = len(sh.sockets), false
	sh.began, sh.frames = time.Now(), sh.ring.count()
}

// rest is how long to wait before the next round: while frames come in a flood, five eighths of what
// the last one took. A write then carries more of them, and who stores them gets the processor.
func (sh *share) rest() time.Duration {
	if sh.ring.count()-sh.frames < flood {
		return 0
	}
	return min(time.Since(sh.began)*5/8, mostRest).Truncate(time.Millisecond)
}

func (sh *share) add(s *socket) {
	s.share, s.place = sh, int32(len(sh.sockets))
	sh.sockets = append(sh.sockets, s)
}

// remove puts the last one in the place of s. Sweeps go from the last to the first, so that one that is
// moved was served already.
func (sh *share) remove(s *socket) {
	last := len(sh.sockets) - 1
	moved := sh.sockets[last]
	sh.sockets[s.place], moved.place = moved, s.place
	sh.sockets[last] = nil
	sh.sockets = sh.sockets[:last]
	sh.left = min(sh.left, last)
	s.share = nil
	if cap(sh.sockets) > 64 && len(sh.sockets) < cap(sh.sockets)/4 {
		sh.sockets = slices.Clone(sh.sockets)
	}
}

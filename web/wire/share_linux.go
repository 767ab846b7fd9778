package wire

import "slices"

// share is the viewers that one loop serves of one ring.
type share struct {
	loop    *loop
	ring    *Ring
	sockets []*socket
	told    bool // of new frames; guarded by the loop's mail
	left    int  // sockets[:left] are still to be served
	more    bool // and then all again
	queued  bool // it is among the loop's dirty ones
}

// appended is called by the ring.
func (sh *share) appended() { sh.loop.mail.putShare(sh) }

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

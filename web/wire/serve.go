package wire

import "net/http"

// Serve answers a request with v's stream: status 200, the headers that rw has, and first, which are
// whole blocks or nothing. It returns at once if a loop takes the connection over, else when the
// stream is over; the handler must return then and not use rw again. The request's context may end before the
// stream does. It waits for Run to begin. After an error,
// ErrDraining or ErrLeft, nothing was written and v is as if Serve had not been called.
func (w *Writers) Serve(rw http.ResponseWriter, r *http.Request, v *Viewer, first []byte) error {
	select {
	case <-w.ready:
	case <-r.Context().Done():
		return ErrLeft
	}
	if err := w.crowd.enter(v); err != nil {
		return err
	}
	if !w.adopt(rw, r, v, first) {
		w.serveHere(rw, r, v, first)
	}
	return nil
}

// keepAliveComment is what a viewer gets that is told no position.
const keepAliveComment = ": keep-alive\n\n"

// keepAliveBlock is a position, if the viewer has one that it was not told, or a comment. It is for the
// viewer's writer.
func (v *Viewer) keepAliveBlock() []byte {
	var seq uint64
	var ok bool
	var position func(uint64) []byte
	if v.box != nil {
		position = v.box.position
		seq, ok = v.box.untold()
	} else if position = v.ring.config.Position; position != nil {
		if seq, ok = v.ring.untold(v.at); ok {
			v.at = Cursor{Seq: seq}
		}
	}
	if ok && position != nil {
		return position(seq)
	}
	return []byte(keepAliveComment)
}

package host

import (
	"context"

	"github.com/millrace/millrace/abi"
)

// Opener opens remote streams for plugins. Its errors become statuses by abi.StatusOf.
type Opener interface {
	// Open connects and returns the stream, which lives until ctx ends or it is closed. ctx ends with
	// the viewer's stream, and with the callback at the latest. The host has checked that r is a
	// document, not what is in it.
	Open(ctx context.Context, r abi.OpenRequest) (Remote, error)
}

// Remote is a remote stream that a plugin opened. One goroutine calls it, and closes it once.
type Remote interface {
	// Receive returns the next event, and waits for it until ctx ends. For a poll ctx has ended before;
	// an event that is at hand is returned nevertheless. The host only reads the event. When the stream
	// is over Receive returns the same error each time: one that wraps abi.Closed for an orderly end,
	// any other, which becomes a status by abi.StatusOf, for a failure.
	Receive(ctx context.Context) (*abi.Event, error)

	// Response is the HTTP side as it is now. Its Error tells why a stream failed.
	Response() abi.Response

	// Close ends the stream.
	Close()
}

// remotes are the streams that one call has opened. Nil is none.
type remotes struct {
	ctx      context.Context // of all of them
	cancel   context.CancelFunc
	byHandle map[int32]*remote
	last     int32 // handle; none is given twice, so that one that ended is not taken for another
}

// remote is one of them.
type remote struct {
	stream   Remote
	inbox    inbox
	response document
}

const maxHandle = 1<<31 - 1

// open opens a stream and returns its handle.
func (c *call) open(r abi.OpenRequest) (handle int32, err error) {
	switch {
	case c.ended():
		return 0, abi.Closed
	case c.session.Opener == nil:
		return 0, abi.Unavailable
	case c.remotes.full(c.host.config.Remotes), !c.instance.opens.Allow():
		return 0, abi.Limit
	}
	if c.remotes == nil {
		c.remotes = newRemotes(c.ending())
	}
	c.park()
	stream, err := c.session.Opener.Open(c.remotes.ctx, r)
	switch {
	case err != nil && c.ended():
		return 0, abi.Closed
	case err != nil:
		return 0, err
	}
	return c.remotes.add(stream), nil
}

func newRemotes(ctx context.Context) *remotes {
	rs := &remotes{byHandle: map[int32]*remote{}}
	rs.ctx, rs.cancel = context.WithCancel(ctx)
	return rs
}

func (rs *remotes) full(most int) bool {
	return rs != nil && (len(rs.byHandle) >= most || rs.last == maxHandle)
}

func (rs *remotes) add(stream Remote) (handle int32) {
	rs.last++
	rs.byHandle[rs.last] = &remote{stream: stream, inbox: inbox{from: stream}}
	return rs.last
}

func (rs *remotes) find(handle int32) (*remote, error) {
	if rs == nil || rs.byHandle[handle] == nil {
		return nil, abi.NotFound
	}
	return rs.byHandle[handle], nil
}

// end closes one stream.
func (rs *remotes) end(handle int32) error {
	r, err := rs.find(handle)
	if err != nil {
		return err
	}
	delete(rs.byHandle, handle)
	r.stream.Close()
	return nil
}

// close closes all of them.
func (rs *remotes) close() {
	if rs == nil {
		return
	}
	rs.cancel()
	for _, r := range rs.byHandle {
		r.stream.Close()
	}
}

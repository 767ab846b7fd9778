package host

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/millrace/millrace/abi"
)

// inbox is what one handle of receive reads from. It keeps the record of an event until that fits
// the guest's buffer.
type inbox struct {
	from   receiver // nil: the event at hand, if there is one
	record []byte
}

// receiver is an Emitter or a Remote.
type receiver interface {
	Receive(ctx context.Context) (*abi.Event, error)
}

// keptRecord bounds the memory that an empty inbox keeps for the next event.
const keptRecord = 64 << 10

// taken empties the inbox.
func (in *inbox) taken() {
	in.record = in.record[:0]
	if cap(in.record) > keptRecord {
		in.record = nil
	}
}

// receive fills the inbox with the next event's record, unless one is kept. A timeout below 0 is
// none.
func (c *call) receive(in *inbox, timeout time.Duration) error {
	if c.ended() {
		return abi.Closed
	}
	if len(in.record) > 0 {
		return nil
	}
	e, err := c.next(in, timeout)
	if err != nil {
		return err
	}
	if in != &c.inbox && len(e.Data)+len(e.Name)+len(e.ID) > c.host.config.SendBytes {
		return abi.TooBig // of a stranger's stream
	}
	in.record = abi.AppendRecord(slices.Grow(in.record, abi.RecordSize(e)), e)
	return nil
}

func (c *call) next(in *inbox, timeout time.Duration) (*abi.Event, error) {
	if in.from == nil {
		e := c.event
		if c.event = nil; e == nil {
			return nil, abi.Closed
		}
		return e, nil
	}
	c.park()
	ctx := c.ending()
	if timeout >= 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	e, err := in.from.Receive(ctx)
	switch {
	case err == nil:
		return e, nil
	case c.ended():
		return nil, abi.Closed
	case ctx.Err() != nil && errors.Is(err, context.DeadlineExceeded):
		return nil, abi.Timeout
	}
	return nil, err
}

package web

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/broker/source"
)

// errClosed is why a source's run ended whose plugin called close.
var errClosed = errors.New("the source's plugin closed it")

// sourceEnding ends a run of a source whose plugin has called close, once what the plugin sent is
// stored: it is the run's store, too.
type sourceEnding struct {
	source.Store
	stop  context.CancelCauseFunc // of the run's context
	asked atomic.Bool
	timer *time.Timer // of ask; the run's goroutine owns it
}

// quietEnd is when a run is ended that stores nothing and gets no event after close.
const quietEnd = time.Second

// ask ends the run when what was sent so far is stored.
func (e *sourceEnding) ask() {
	if e.asked.CompareAndSwap(false, true) {
		e.timer = time.AfterFunc(quietEnd, e.now)
	}
}

// close is for a run that has ended.
func (e *sourceEnding) close() {
	if e.timer != nil {
		e.timer.Stop()
	}
}

// now ends the run. What is gathered already is still stored.
func (e *sourceEnding) now() { e.stop(errClosed) }

// Append stores, and after close ends the run.
func (e *sourceEnding) Append(ctx context.Context, at source.Cursor, outputs []source.Output, to source.Cursor) (source.Cursor, error) {
	if errors.Is(context.Cause(ctx), errClosed) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
	}
	cursor, err := e.Store.Append(ctx, at, outputs, to)
	if err == nil && e.asked.Load() {
		e.now()
	}
	return cursor, err
}

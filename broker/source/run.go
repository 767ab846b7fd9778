package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/millrace/millrace/abi"
)

// storePatience is how long a connection is held up by a store that does not answer. The remote
// waits meanwhile. One whose request is not repeated is held up for as long as it takes: giving up
// would cost an answer that is not asked for twice.
const storePatience = time.Minute

// noteEvery is how often a position is stored that no output leads to.
const noteEvery = 10 * time.Second

// run is one Run of a Worker, from its first connection to its last. One goroutine owns it.
type run struct {
	*Worker
	cursor  Cursor
	loaded  bool      // cursor is the stored one
	lastID  string    // what the next connection resumes after: all up to it is stored or left out
	noted   string    // the lastID that a later process would begin with
	stored  time.Time // when noted was
	backoff backoff
	begun   bool  // the cursor has been read
	sent    bool  // a request that must not be repeated may have been acted upon
	lost    error // why the last connection was let go of, if OnError is still to be told

	// Of the connection at hand.
	request  Request
	response abi.Response
	sending  bool   // the request is under way, or was
	number   uint64 // of its last event
	counted  uint64 // bytes of it in the status
	batch    batch
}

// connect makes one connection and takes what comes of it until it ends.
func (r *run) connect(ctx context.Context) verdict {
	r.board.enter(Connecting)
	r.sending = false
	if err := r.load(ctx); err != nil {
		return r.storeFailed(ctx, err)
	}
	if next, over := r.settled(ctx); over {
		return next
	}
	r.begin()
	err := r.requestStart(ctx)
	if err == nil {
		err = r.exchange(ctx)
	}
	r.response.LastEventID = r.lastID
	r.keepPosition(ctx)
	if status := (*StatusError)(nil); errors.As(err, &status) && status.Status == http.StatusNoContent {
		return r.complete(ctx, DoneStop)
	}
	if err == nil {
		return r.complete(ctx, r.config.OnDone)
	}
	if ctx.Err() != nil {
		r.fail(ctx, ErrStopped)
		return verdict{state: Stopped, err: context.Cause(ctx)}
	}
	if store := (*storeError)(nil); errors.As(err, &store) {
		r.lost = err
		return r.storeFailed(ctx, err)
	}
	r.note(err)
	return r.decide(err, r.fail(ctx, err))
}

// settled does what is left to do of the last connection, which this run or one before it made. over
// is true if no other follows at once.
func (r *run) settled(ctx context.Context) (next verdict, over bool) {
	lost := r.lost
	r.lost = nil
	switch {
	case r.cursor.Ended && !r.cursor.Complete:
		if r.response.URL == "" { // the connection was an earlier run's, which took the rest with it
			r.response = abi.Response{URL: r.config.URL, LastEventID: r.lastID}
		}
		return r.complete(ctx, r.config.OnDone), true
	case r.cursor.Complete && r.config.OnDone == DoneStop:
		return verdict{state: Done}, true
	case lost != nil && r.fail(ctx, lost) == Stop:
		return verdict{state: Stopped}, true
	}
	return verdict{}, false
}

// begin forgets the last connection.
func (r *run) begin() {
	r.number, r.counted = 0, 0
	r.backoff.moved = false
	r.batch.reset()
	r.request = r.config.request(r.lastID)
	r.response = abi.Response{URL: r.config.URL, Attempts: r.backoff.failures + 1, LastEventID: r.lastID}
	r.board.change(func(s *Status) {
		s.Connections++
		s.Attempts = r.response.Attempts
	})
}

// load reads the cursor, if it may be another than the one at hand.
func (r *run) load(ctx context.Context) error {
	if r.loaded {
		return nil
	}
	cursor, err := r.store.Cursor(ctx)
	if err != nil {
		return fmt.Errorf("read cursor: %w", err)
	}
	if !r.begun {
		r.begun, r.sent = true, cursor.Sent
	}
	r.cursor, r.loaded, r.lastID = cursor, true, cursor.LastEventID
	if cursor.Revision == 0 {
		r.lastID = r.config.LastEventID
	}
	r.noted, r.stored = r.lastID, time.Now()
	r.board.change(func(s *Status) { s.LastEventID = r.lastID })
	return nil
}

// storeFailed waits for the store. It counts as no attempt, since the remote did nothing wrong. A
// request that was sent meanwhile and must not be repeated is not.
func (r *run) storeFailed(ctx context.Context, err error) verdict {
	if ctx.Err() != nil {
		return verdict{state: Stopped, err: context.Cause(ctx)}
	}
	if r.sending && !r.config.repeatable() {
		r.sent = true
	}
	r.note(err)
	return verdict{state: Waiting, wait: r.backoff.again()}
}

// exchange sends the request and takes the stream. It returns nil when the stream was complete.
func (r *run) exchange(ctx context.Context) error {
	if err := r.claim(ctx); err != nil {
		return err
	}
	r.sending = true
	stream, err := r.client.Connect(ctx, r.request)
	if err != nil {
		var status *StatusError
		if errors.As(err, &status) {
			r.response.Status, r.response.Headers, r.response.Body = status.Status, status.Headers, status.Body
		}
		return err
	}
	defer stream.Close()
	attempts := r.response.Attempts
	r.response = stream.Response()
	r.response.Attempts = attempts
	r.board.enter(Open)
	r.log.Info("source is open", "status", r.response.Status, "after", r.lastID)
	defer r.settle(stream, time.Now())
	for {
		e, err := stream.Next()
		if err != nil {
			r.lastID = stream.LastEventID()
			return r.ended(stream, err)
		}
		complete, err := r.takeReady(ctx, stream, e)
		if complete || err != nil {
			return err
		}
	}
}

// claim makes sure that a request that must not be repeated never was sent, and is not by others.
func (r *run) claim(ctx context.Context) error {
	switch {
	case r.config.repeatable():
		return nil
	case r.sent:
		return ErrSent
	case r.cursor.Sent:
		return nil // by this run, which would have ended if it had been acted upon
	}
	cursor, err := r.store.MarkSent(ctx, r.cursor)
	if err != nil {
		r.loaded = false
		if errors.Is(err, ErrConflict) {
			r.begun = false // the mark of another owner is not this run's
		}
		return &storeError{fmt.Errorf("mark request: %w", err)}
	}
	r.cursor = cursor
	return nil
}

// takeReady takes e and all events that were received with it, and stores them together. It returns
// true behind the end mark.
func (r *run) takeReady(ctx context.Context, stream *Stream, e abi.Event) (complete bool, err error) {
	mark := r.config.mark(stream.ByLine())
	for ok := true; ok && !complete; {
		out, err := r.take(ctx, stream, e)
		if err != nil || !r.batch.fits(out) {
			if err := r.flush(ctx, stream, false); err != nil {
				return false, err
			}
		}
		if err != nil { // what came before it is stored all the same
			return false, err
		}
		r.batch.add(e, out)
		r.lastID = stream.LastEventID()
		if complete = mark != "" && (e.Data == mark || e.Name == mark); !complete {
			e, ok = stream.Ready()
		}
	}
	r.lastID = stream.LastEventID()
	return complete, r.flush(ctx, stream, complete)
}

// ended returns what the end of a stream means that had no end mark.
func (r *run) ended(stream *Stream, err error) error {
	switch {
	case err != io.EOF:
		return err
	case r.config.mark(stream.ByLine()) != "":
		return ErrInterrupted
	}
	return nil
}

// flush stores the batch, whose last event is the end mark if ended.
func (r *run) flush(ctx context.Context, stream *Stream, ended bool) error {
	if r.batch.events == 0 {
		return nil
	}
	if err := r.append(ctx, r.batch.outputs, Cursor{Ended: ended, Complete: ended && r.callbacks.OnComplete == nil}); err != nil {
		return err
	}
	r.backoff.progress()
	r.board.change(func(s *Status) {
		s.Events += uint64(r.batch.events)
		s.Attempts = 0
		s.LagMs = time.Since(r.batch.first.Time).Milliseconds()
	})
	r.count(stream)
	r.batch.reset()
	return nil
}

// keepPosition stores where a connection has come to, if its last events had no outputs.
func (r *run) keepPosition(ctx context.Context) {
	if !r.loaded || r.lastID == r.noted {
		return
	}
	ctx, cancel := lastly(ctx)
	defer cancel()
	if err := r.persist(ctx, nil, r.cursor); err != nil {
		r.log.Warn("position is not stored", "error", err)
	}
}

// append stores outputs with where they lead up to: Ended and Complete of to, and lastID. Without
// any outputs it stores lastID now and then.
func (r *run) append(ctx context.Context, outputs []Output, to Cursor) error {
	same := to.Ended == r.cursor.Ended && to.Complete == r.cursor.Complete
	if len(outputs) == 0 && same && (r.lastID == r.noted || time.Since(r.stored) < noteEvery) {
		return nil
	}
	return r.persist(ctx, outputs, to)
}

// persist is append without leaving anything out. The error is a *storeError, behind which the cursor
// has to be read again.
func (r *run) persist(ctx context.Context, outputs []Output, to Cursor) error {
	to.LastEventID = r.lastID
	for {
		cursor, err := r.persistIn(ctx, storePatience, outputs, to)
		if err == nil {
			r.cursor, r.noted, r.stored = cursor, to.LastEventID, time.Now()
			r.board.change(func(s *Status) {
				s.Stored += uint64(len(outputs))
				s.LastEventID = cursor.LastEventID
			})
			return nil
		}
		err = fmt.Errorf("store events: %w", err)
		if ctx.Err() != nil || errors.Is(err, ErrConflict) || r.config.repeatable() {
			r.loaded = false
			return &storeError{err}
		}
		r.note(err)
	}
}

// persistIn repeats what the store does not answer to, for a while.
func (r *run) persistIn(ctx context.Context, patience time.Duration, outputs []Output, to Cursor) (Cursor, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		cursor, err := r.store.Append(ctx, r.cursor, outputs, to)
		if err == nil || errors.Is(err, ErrConflict) || !pause(ctx, wait) {
			return cursor, err
		}
	}
}

// count adds what was read to the status.
func (r *run) count(stream *Stream) {
	n := stream.Bytes()
	r.board.change(func(s *Status) { s.Bytes += n - r.counted })
	r.counted = n
}

// settle takes over what the connection leaves behind for the next.
func (r *run) settle(stream *Stream, opened time.Time) {
	r.count(stream)
	if base, ok := stream.Retry(); ok {
		r.backoff.set(base)
	}
	if time.Since(opened) >= millis(r.config.Retry.Max) {
		r.backoff.progress() // a quiet stream is no failing one
	}
}

// decide says what becomes of the source after err, given what OnError answered.
func (r *run) decide(err error, answer int32) verdict {
	switch {
	case answer == Stop:
		return verdict{state: Stopped}
	case permanent(err) && answer < Stop:
		return verdict{state: Failed, err: err}
	case r.sending && !r.config.repeatable() && !unsent(err), errors.Is(err, ErrSent):
		if !errors.Is(err, ErrSent) {
			err = fmt.Errorf("%w; %w", err, ErrSent)
		}
		return verdict{state: Failed, err: err}
	}
	var status *StatusError
	var asked time.Duration
	if errors.As(err, &status) {
		asked = status.RetryAfter
	}
	wait, more := r.backoff.fail(asked)
	switch {
	case answer > Stop: // it has the last word, also where the policy would give up
		wait = time.Duration(answer) * time.Millisecond
	case !more:
		return verdict{state: Failed, err: fmt.Errorf("%d attempts in a row: %w", r.backoff.failures, err)}
	}
	return verdict{state: Waiting, wait: wait}
}

// note keeps err for the status and the log.
func (r *run) note(err error) {
	r.board.change(func(s *Status) { s.LastError = start(err.Error(), maxErrorText) })
	r.log.Warn("source met an error", "error", err)
}

package source

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"strconv"

	"github.com/millrace/millrace/abi"
)

// Cursor is how far a source has come.
type Cursor struct {
	Revision    uint64 // the Store's own: grows with each Append; 0 is a source that has stored nothing
	LastEventID string // what the next connection resumes after
	Sent        bool   // a request that must not be repeated may have been sent
	Ended       bool   // the stream came to its end, and all of it has been stored
	Complete    bool   // so has what OnComplete sent then
}

// Output is an event to store.
type Output struct {
	Subject string
	Name    string
	Data    string
	ID      string // of the remote event that it came from, if that has one that can be sent back
	Key     string // if not empty, an output whose key was stored within two minutes is left out
}

// Store keeps what one source puts out, and its cursor with it. It is called by one goroutine at a
// time; each call ends with its context.
type Store interface {
	// Cursor returns the cursor that the last Append or MarkSent stored.
	Cursor(ctx context.Context) (Cursor, error)

	// Append stores outputs, in order, together with the LastEventID, Ended and Complete of to, where
	// they lead: all of it or nothing. There are at most MaxOutputs, perhaps none. It returns the new
	// cursor, with Sent as in at. If the stored cursor is not at any more, the error wraps ErrConflict.
	//
	// After any other error it is open whether they were stored. Append is then called again with
	// the same arguments, and returns the cursor of the first call if that had stored them.
	Append(ctx context.Context, at Cursor, outputs []Output, to Cursor) (Cursor, error)

	// MarkSent stores that the source's request is about to be sent, and returns the cursor with
	// Sent set. It must be stored before MarkSent returns, for a request that is never repeated, not
	// by another process either. It can be called again after an error. Whoever starts the source
	// anew, at a user's word, resets Sent, Ended and Complete.
	MarkSent(ctx context.Context, at Cursor) (Cursor, error)
}

// MaxOutputs is how many outputs are stored at once; no callback can answer one event with more. With
// the cursor they make the thousand messages that NATS stores all or nothing.
const MaxOutputs = 999

// batchBytes is how much data is gathered before it is stored.
const batchBytes = 1 << 20

// batch gathers the outputs of events that were received together, for one Append.
type batch struct {
	outputs []Output
	bytes   int
	events  int       // remote events in it, also those without an output
	first   abi.Event // the oldest of them
}

// fits tells whether outputs can be added to b.
func (b *batch) fits(outputs []Output) bool {
	return b.events == 0 || len(b.outputs)+len(outputs) <= MaxOutputs && b.bytes+size(outputs) <= batchBytes
}

func (b *batch) add(e abi.Event, outputs []Output) {
	if b.events == 0 {
		b.first = e
	}
	b.events++
	b.outputs = append(b.outputs, outputs...)
	b.bytes += size(outputs)
}

// reset empties b and keeps its room, without the events' text.
func (b *batch) reset() {
	clear(b.outputs)
	*b = batch{outputs: b.outputs[:0]}
}

func size(outputs []Output) (n int) {
	for _, o := range outputs {
		n += len(o.Data)
	}
	return n
}

// contentKey is the key of the n-th output of e.
func contentKey(e abi.Event, n int) string {
	h := sha256.New()
	for _, part := range []string{e.ID, e.Name, e.Data} {
		h.Write(strconv.AppendInt(nil, int64(len(part)), 10))
		h.Write([]byte{':'})
		h.Write([]byte(part))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:18]) + "." + strconv.Itoa(n)
}

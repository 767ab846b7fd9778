package web

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/millrace/millrace/broker"
)

// channel is the viewers of this node that get the same bytes: same route revision, same resolved
// subjects. It reads the hub once, makes each event's frames once, and keeps the recent ones in a
// ring bounded in bytes. A viewer is a cursor into the ring; what lies behind it is read from
// history.
type channel struct {
	key     string
	opened  chan struct{} // closed once the three below are set
	openErr error
	epoch   string

	mu      sync.Mutex
	ring    []frame
	first   uint64 // number of ring[0], counted from the channel's start
	bytes   int
	bound   int
	base    uint64 // every event later than this and up to head has its frames in the ring
	head    uint64 // the position that the pump has come to
	wake    chan struct{}
	ended   error // why no more frames will come
	viewers int
	cancel  context.CancelCauseFunc
}

// errEnded is why a channel ended whose callback asked for it or failed.
var errEnded = errors.New("channel ended")

// append puts the frames of everything up to head into the ring.
func (ch *channel) append(fs []frame, head uint64) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.ring = append(ch.ring, fs...)
	for i := range fs {
		ch.bytes += len(fs[i].bytes)
	}
	ch.head = head
	drop := 0
	for ch.bytes > ch.bound && drop < len(ch.ring)-1 {
		ch.bytes -= len(ch.ring[drop].bytes)
		ch.base = ch.ring[drop].seq
		drop++
	}
	// Outputs of one event stay or go together, so that base is a whole position.
	for drop > 0 && drop < len(ch.ring) && ch.ring[drop].seq == ch.base {
		ch.bytes -= len(ch.ring[drop].bytes)
		drop++
	}
	ch.ring, ch.first = slices.Delete(ch.ring, 0, drop), ch.first+uint64(drop)
	if len(fs) > 0 {
		ch.broadcast()
	}
}

func (ch *channel) end(err error) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.ended = err
	ch.broadcast()
}

func (ch *channel) broadcast() {
	close(ch.wake)
	ch.wake = make(chan struct{})
}

// seek finds the number of the first frame behind a cursor; ok is false if the ring no longer, or
// not yet, reaches there.
func (ch *channel) seek(c cursor) (n uint64, ok bool) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if c.seq < ch.base || c.seq == ch.base && c.output > 0 {
		return 0, false
	}
	i, _ := slices.BinarySearchFunc(ch.ring, c, func(f frame, c cursor) int {
		if c.covers(f) {
			return -1
		}
		return 1
	})
	return ch.first + uint64(i), true
}

// live is the cursor of a viewer that wants only what comes from now on.
func (ch *channel) live() cursor {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return cursor{seq: ch.head}
}

// read gives frames from number n on, as many as fit maxBytes and at least one, and the position
// after them; none, with a channel to wait on, at the live end. ok is false if the ring has moved on.
func (ch *channel) read(n uint64, maxBytes int) (fs []frame, head uint64, wake <-chan struct{}, ok bool, err error) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if n < ch.first {
		return nil, 0, nil, false, nil
	}
	rest := ch.ring[n-ch.first:]
	if len(rest) == 0 {
		return nil, ch.head, ch.wake, true, ch.ended
	}
	size, count := 0, 0
	for count < len(rest) && (count == 0 || size+len(rest[count].bytes) <= maxBytes) {
		size += len(rest[count].bytes)
		count++
	}
	return slices.Clone(rest[:count]), rest[count-1].seq, nil, true, nil
}

// cursor is how far one viewer is: past all frames of seq-1, and past so many outputs of seq, or
// all if output is 0.
type cursor struct {
	seq    uint64
	output int
}

// covers tells whether f lies at or before the cursor.
func (c cursor) covers(f frame) bool {
	if f.seq != c.seq {
		return f.seq < c.seq
	}
	return c.output == 0 || (f.more > 0 && f.more <= c.output)
}

// id is the cursor as an event id.
func (c cursor) id(epoch string) string {
	return broker.Position{Epoch: epoch, Seq: c.seq, Output: c.output}.String()
}

// after is the cursor behind f.
func after(f frame) cursor { return cursor{f.seq, f.more} }

func (ch *channel) alive() bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.ended == nil
}

// pump reads the subscription and fills the ring. It returns why it ended.
func (ch *channel) pump(ctx context.Context, sub *broker.Subscription, t *transform) error {
	for {
		events, head, err := sub.Next(ctx)
		if err != nil {
			return err
		}
		var fs []frame
		for _, e := range events {
			if fs, err = t.frames(ctx, fs, ch.epoch, e); err != nil {
				return err
			}
			if n := len(fs); n > 0 && fs[n-1].end {
				ch.append(fs, e.Seq)
				return errEnded
			}
		}
		ch.append(fs, head)
	}
}

//go:build linux

package main

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
)

const (
	ringBytes = 64 << 20
	history   = 1 << 16 // events whose position is known
)

// ring is the encoded events. Readers take bytes behind end without a lock: they are cut off long
// before the writer comes round to them.
type ring struct {
	buf  []byte
	end  atomic.Uint64 // counts bytes from the beginning of time
	mu   sync.Mutex
	next uint64          // id of the next event; guarded by mu
	at   [history]uint64 // where each begins; guarded by mu
}

func newRing() *ring { return &ring{buf: make([]byte, ringBytes)} }

// publish appends an event as a chunk of HTTP and returns its id.
func (r *ring) publish(body []byte) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := r.next
	event := fmt.Appendf(nil, "id: %d\ndata: %s\n\n", id, body)
	at := r.end.Load()
	for _, part := range [][]byte{fmt.Appendf(nil, "%x\r\n", len(event)), event, []byte("\r\n")} {
		n := copy(r.buf[at%ringBytes:], part)
		copy(r.buf, part[n:])
		at += uint64(len(part))
	}
	r.next++
	r.at[r.next%history] = at
	r.end.Store(at)
	return id
}

// after is where the events after the one with the id begin; the end, if that is not known.
func (r *ring) after(lastID string) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, err := strconv.ParseUint(lastID, 10, 64)
	if id++; err != nil || id >= r.next || id+history <= r.next {
		return r.end.Load()
	}
	return r.at[id%history]
}

// from is what there is from a position on, as far as it lies in one piece; ok is false where the
// ring may have been written over.
func (r *ring) from(at uint64) (b []byte, ok bool) {
	end := r.end.Load()
	if end-at > ringBytes*3/4 {
		return nil, false
	}
	first := at % ringBytes
	return r.buf[first:min(first+end-at, ringBytes)], true
}

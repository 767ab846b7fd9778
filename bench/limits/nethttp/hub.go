package main

import (
	"net/http"
	"strconv"
	"sync"
)

const (
	history = 1 << 14 // events kept; who is further behind loses them
	batch   = 64      // events that go out in one write at most
)

// hub is the log and who waits for it to grow.
type hub struct {
	mu      sync.RWMutex
	next    uint64 // id of the next event
	log     [history][]byte
	viewers map[chan struct{}]bool
}

func newHub() *hub { return &hub{viewers: map[chan struct{}]bool{}} }

// publish appends an event and returns its id.
func (h *hub) publish(body []byte) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	id := h.next
	b := append(strconv.AppendUint([]byte("id: "), id, 10), "\ndata: "...)
	h.log[id%history] = append(append(b, body...), "\n\n"...)
	h.next++
	for wake := range h.viewers {
		select {
		case wake <- struct{}{}:
		default: // it has not yet seen the wake-up before
		}
	}
	return id
}

// join registers a viewer that begins after lastID, or with what comes if that is no id.
func (h *hub) join(wake chan struct{}, lastID string) (at uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.viewers[wake] = true
	at = h.next
	if id, err := strconv.ParseUint(lastID, 10, 64); err == nil {
		at = min(id+1, at)
	}
	return at
}

func (h *hub) leave(wake chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.viewers, wake)
}

// read appends events from at on to out, and says where the next read begins.
func (h *hub) read(at uint64, out [][]byte) (uint64, [][]byte) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.next > history {
		at = max(at, h.next-history)
	}
	for ; at < h.next && len(out) < batch; at++ {
		out = append(out, h.log[at%history])
	}
	return at, out
}

// stream serves one viewer.
func (h *hub) stream(w http.ResponseWriter, r *http.Request) {
	wake := make(chan struct{}, 1)
	at := h.join(wake, r.Header.Get("Last-Event-ID"))
	defer h.leave(wake)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	out := http.NewResponseController(w)
	var room [batch][]byte
	for err := out.Flush(); err == nil; err = out.Flush() {
		var events [][]byte
		for {
			if at, events = h.read(at, room[:0]); len(events) > 0 {
				break
			}
			select {
			case <-wake:
			case <-r.Context().Done():
				return
			}
		}
		for _, e := range events {
			if _, err := w.Write(e); err != nil {
				return
			}
		}
	}
}

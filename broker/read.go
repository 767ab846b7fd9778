package broker

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// Bounds of one read of history.
const (
	firstRead  = 32 // events, so that a viewer who comes back soon has a first one
	readEvents = 512
	readBytes  = 1 << 20
)

// reading is a Direct Get: what follows Seq or Since, at most Batch messages of Subject, or of all.
// Any replica answers it.
type reading struct {
	Seq      uint64     `json:"seq,omitempty"`
	Since    *time.Time `json:"start_time,omitempty"`
	Batch    int        `json:"batch"`
	MaxBytes int        `json:"max_bytes"`
	Subject  string     `json:"next_by_subj,omitempty"`
}

// read returns messages in order; whole tells that no more follow now.
func (h *history) read(ctx context.Context, r reading) (msgs []*nats.Msg, whole bool, err error) {
	free, err := h.link.slot(ctx, h.link.reads)
	if err != nil {
		return nil, false, err
	}
	defer free()
	r.MaxBytes = readBytes
	body, err := json.Marshal(r)
	if err != nil {
		return nil, false, err
	}
	nc := h.link.nc
	inbox := nc.NewRespInbox()
	replies := make(chan *nats.Msg, r.Batch+1)
	sub, err := nc.ChanSubscribe(inbox, replies)
	if err != nil {
		return nil, false, err
	}
	defer sub.Unsubscribe()
	if err := nc.PublishRequest("$JS.API.DIRECT.GET."+historyStream, inbox, body); err != nil {
		return nil, false, err
	}
	h.link.broker.counts.reads.Add(1)
	return h.collect(ctx, replies)
}

// collect takes replies up to the one that ends them.
func (h *history) collect(ctx context.Context, replies <-chan *nats.Msg) (msgs []*nats.Msg, whole bool, err error) {
	silence := time.NewTimer(2 * time.Second)
	defer silence.Stop()
	for {
		select {
		case m := <-replies:
			silence.Reset(2 * time.Second)
			switch status := m.Header.Get("Status"); status {
			case "":
				msgs = append(msgs, m)
			case "204":
				pending, err := strconv.ParseUint(m.Header.Get("Nats-Num-Pending"), 10, 64)
				return msgs, pending == 0 && err == nil, nil
			case "404":
				return nil, true, nil
			case "503":
				return nil, false, nats.ErrNoResponders
			default:
				return nil, false, fmt.Errorf("read history: %s %s", status, m.Header.Get("Description"))
			}
		case <-silence.C:
			return nil, false, nats.ErrTimeout
		case <-h.link.ctx.Done():
			return nil, false, h.link.err()
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
}

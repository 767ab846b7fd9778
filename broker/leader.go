package broker

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// extent is how far a history reaches: First is Last+1 when it is empty.
type extent struct {
	First, Last uint64
	Events      uint64
	Bytes       uint64 // of all events
}

// extent asks the stream's leader. ErrGone if there is another stream now, or none; errSettling if
// another than the leader answered.
func (h *history) extent(ctx context.Context) (extent, error) {
	m, err := h.link.ask(ctx, "$JS.API.STREAM.INFO."+historyStream, nil)
	if err != nil {
		return extent{}, err
	}
	var answer struct {
		Error  *jetstream.APIError `json:"error"`
		Config struct {
			Metadata map[string]string `json:"metadata"`
			Replicas int               `json:"num_replicas"`
		} `json:"config"`
		Cluster *jetstream.ClusterInfo `json:"cluster"`
		State   struct {
			First uint64 `json:"first_seq"`
			Last  uint64 `json:"last_seq"`
			Msgs  uint64 `json:"messages"`
			Bytes uint64 `json:"bytes"`
		} `json:"state"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return extent{}, fmt.Errorf("stream info: %w", err)
	}
	switch {
	case answer.Error == nil && !byLeader(answer.Cluster, answer.Config.Replicas):
		return extent{}, errSettling
	case answer.Error == nil && answer.Config.Metadata[epochKey] == h.epoch:
		// A stream that never held anything says 0 for its first.
		state := answer.State
		return extent{First: max(state.First, 1), Last: state.Last, Events: state.Msgs, Bytes: state.Bytes}, nil
	case answer.Error == nil, answer.Error.ErrorCode == codeStreamNotFound:
		return extent{}, ErrGone
	}
	return extent{}, answer.Error
}

// byLeader tells whether a stream's info is its leader's. Members answer, too, while they believe
// that there is no leader, or for a while after they have come back, with what they have, which may be
// nothing. Only the leader leaves its own name out of the list of others.
func byLeader(c *jetstream.ClusterInfo, replicas int) bool {
	if replicas <= 1 {
		return true
	}
	// A stream may have fewer copies than it should, after a node was forgotten, but most of them.
	return c != nil && c.Leader != "" && len(c.Replicas)+1 > replicas/2 &&
		!slices.ContainsFunc(c.Replicas, func(other *jetstream.PeerInfo) bool { return other.Name == c.Leader })
}

// nextStored asks the stream's leader for the first sequence at or after seq that is still there.
func (h *history) nextStored(ctx context.Context, seq uint64) (next uint64, found bool, err error) {
	m, found, err := h.stored(ctx, storedQuery{Seq: seq, NextBySubject: eventPrefix + ">"})
	return m.Seq, found, err
}

// complete returns nil if nothing of pattern is stored from seq to end, which a reading says that came
// to its own end. Of several copies one that lags may have answered it: then the error is errSettling.
func (h *history) complete(ctx context.Context, pattern string, seq, end uint64) error {
	if !h.link.broker.config.shared() || seq > end {
		return nil
	}
	x, err := h.extent(ctx)
	if err != nil {
		return err
	}
	if x.Last < end {
		return errSettling
	}
	m, found, err := h.stored(ctx, storedQuery{Seq: seq, NextBySubject: eventPrefix + pattern})
	if err == nil && found && m.Seq <= end {
		err = errSettling
	}
	return err
}

// before returns nil if what is stored at seq is older than t; errSettling if a reading found nothing
// since t, and there is something.
func (h *history) before(ctx context.Context, seq uint64, t time.Time) error {
	if !h.link.broker.config.shared() || seq == 0 {
		return nil
	}
	m, found, err := h.stored(ctx, storedQuery{Seq: seq})
	if err == nil && found && !m.Time.Before(t) {
		err = errSettling
	}
	return err
}

// errSettling is transient: a copy of the history lags, or its leader is not known yet.
var errSettling = fmt.Errorf("history is not settled: %w", nats.ErrTimeout)

// storedQuery asks for one message.
type storedQuery struct {
	Seq           uint64 `json:"seq,omitempty"`
	NextBySubject string `json:"next_by_subj,omitempty"`
	LastBySubject string `json:"last_by_subj,omitempty"`
}

type storedMessage struct {
	Seq    uint64    `json:"seq"`
	Header []byte    `json:"hdrs"`
	Data   []byte    `json:"data"`
	Time   time.Time `json:"time"`
}

// stored asks the leader of the tenant's history.
func (h *history) stored(ctx context.Context, query storedQuery) (m storedMessage, found bool, err error) {
	return h.link.stored(ctx, historyStream, query)
}

// stored asks a stream's leader, which alone has all that was acknowledged.
func (l *link) stored(ctx context.Context, stream string, query storedQuery) (m storedMessage, found bool, err error) {
	body, err := json.Marshal(query)
	if err != nil {
		return m, false, err
	}
	reply, err := l.ask(ctx, "$JS.API.STREAM.MSG.GET."+stream, body)
	if err != nil {
		return m, false, err
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message storedMessage       `json:"message"`
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return m, false, fmt.Errorf("stored message: %w", err)
	}
	switch {
	case answer.Error == nil:
		return answer.Message, true, nil
	case answer.Error.ErrorCode == codeMessageNotFound:
		return m, false, nil
	}
	return m, false, answer.Error
}

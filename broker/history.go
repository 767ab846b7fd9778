package broker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/millrace/millrace/abi"
)

const (
	historyStream       = "EV"
	eventPrefix         = "ev."   // subjects that are stored
	livePrefix          = "live." // what is stored is repeated here, with its sequence
	nameHeader          = "Millrace-Event"
	epochKey            = "millrace_epoch"
	defaultHistoryAge   = "24h"
	defaultHistoryBytes = 1 << 30
	minHistoryBytes     = 64 << 10
	duplicateWindow     = 2 * time.Minute
)

// history is a tenant's stream of events.
type history struct {
	link  *link
	epoch string // random when the stream was made; a position in another history has another
}

// extent is how far a history reaches: First is Last+1 when it is empty.
type extent struct {
	First, Last uint64
	Events      uint64
	Bytes       uint64 // of all events
}

// history returns the tenant's history, which it makes if there is none. It runs once per link, and
// again after forget.
func (l *link) history(ctx context.Context) (*history, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.err(); err != nil || l.ev != nil {
		return l.ev, err
	}
	ctx, stop := l.within(ctx)
	defer stop()
	err := retry(ctx, func(ctx context.Context) error {
		h, err := l.openHistory(ctx)
		l.ev = h
		return err
	})
	if err != nil {
		return nil, l.failed("open history", err)
	}
	return l.ev, nil
}

// forget makes the next call of history look again, after the stream turned out to be gone.
func (l *link) forget(h *history) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ev == h {
		l.ev = nil
	}
}

func (l *link) openHistory(ctx context.Context) (*history, error) {
	s, err := l.js.Stream(ctx, historyStream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s, err = l.js.CreateStream(ctx, l.streamConfig(map[string]string{epochKey: randomID()[:12]}))
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			s, err = l.js.Stream(ctx, historyStream) // another node was faster
		}
		if errors.Is(err, jetstream.ErrStreamNotFound) { // and is still at it
			err = errSettling
		}
	}
	if err != nil {
		return nil, err
	}
	if err := l.applyBounds(ctx, s); err != nil {
		return nil, err
	}
	return &history{link: l, epoch: s.CachedInfo().Config.Metadata[epochKey]}, nil
}

// applyBounds gives s the bounds that the tenant's quotas ask for.
func (l *link) applyBounds(ctx context.Context, s jetstream.Stream) error {
	is := s.CachedInfo().Config
	want := l.streamConfig(is.Metadata)
	if is.MaxBytes == want.MaxBytes && is.MaxAge == want.MaxAge {
		return nil
	}
	_, err := l.js.UpdateStream(ctx, want)
	return err
}

func (l *link) streamConfig(metadata map[string]string) jetstream.StreamConfig {
	quotas := l.tenant.Quotas
	if v, ok := l.broker.registry.view(l.tenant.Name); ok {
		quotas = v.Tenant.Quotas
	}
	age, err := quotas.age()
	if err != nil { // not checked by PutTenant: written by another version
		age, _ = time.ParseDuration(defaultHistoryAge)
	}
	return jetstream.StreamConfig{
		Name: historyStream, Subjects: []string{eventPrefix + ">"}, Storage: jetstream.FileStorage, Replicas: l.broker.config.replicas(),
		MaxAge: age, MaxBytes: cmp.Or(quotas.HistoryBytes, defaultHistoryBytes), Discard: jetstream.DiscardOld,
		Duplicates: min(duplicateWindow, age), AllowDirect: true, AllowAtomicPublish: true,
		RePublish: &jetstream.RePublish{Source: eventPrefix + ">", Destination: livePrefix + ">"},
		Metadata:  maps.Clone(metadata),
	}
}

// applyQuotas changes the bounds of the tenant's history, if it has one.
func (b *Broker) applyQuotas(ctx context.Context, t Tenant) error {
	l, err := b.acquire(ctx, t.Name)
	if err != nil {
		return err
	}
	defer l.release()
	err = retry(ctx, func(ctx context.Context) error {
		s, err := l.js.Stream(ctx, historyStream)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		return l.applyBounds(ctx, s)
	})
	if err != nil {
		return l.failed("change history of "+t.Name, err)
	}
	return nil
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
	return c != nil && c.Leader != "" && len(c.Replicas)+1 >= replicas &&
		!slices.ContainsFunc(c.Replicas, func(other *jetstream.PeerInfo) bool { return other.Name == c.Leader })
}

// nextStored asks the stream's leader for the first sequence at or after seq that is still there.
func (h *history) nextStored(ctx context.Context, seq uint64) (next uint64, found bool, err error) {
	m, found, err := h.stored(ctx, storedQuery{Seq: seq, NextBySubject: eventPrefix + ">"})
	return m.Seq, found, err
}

// complete returns nil if nothing of pattern is stored from seq to end, which a reading says that came
// to its own end. In a cluster a copy that lags may have answered it: then the error is errSettling.
func (h *history) complete(ctx context.Context, pattern string, seq, end uint64) error {
	if h.link.broker.config.Cluster == nil || seq > end {
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
	if h.link.broker.config.Cluster == nil || seq == 0 {
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
	Seq  uint64    `json:"seq"`
	Data []byte    `json:"data"`
	Time time.Time `json:"time"`
}

// stored asks the stream's leader, which alone has all that was acknowledged.
func (h *history) stored(ctx context.Context, query storedQuery) (m storedMessage, found bool, err error) {
	body, err := json.Marshal(query)
	if err != nil {
		return m, false, err
	}
	reply, err := h.link.ask(ctx, "$JS.API.STREAM.MSG.GET."+historyStream, body)
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

// sequence of a message that was read from history or repeated live; 0 if it is neither.
func sequence(m *nats.Msg) uint64 {
	seq, _ := strconv.ParseUint(m.Header.Get(jetstream.SequenceHeader), 10, 64)
	return seq
}

// event decodes such a message. Native clients may store anything; what no stream of text can
// carry is replaced.
func (h *history) event(m *nats.Msg, replayed bool) *abi.Event {
	e := &abi.Event{
		Data: text(string(m.Data)), Name: decodeName(m.Header.Get(nameHeader)), Seq: sequence(m), Replayed: replayed,
		Subject: strings.TrimPrefix(m.Header.Get(jetstream.SubjectHeader), eventPrefix),
	}
	if at, err := time.Parse(time.RFC3339Nano, m.Header.Get(jetstream.TimeStampHeaer)); err == nil {
		e.Time = at.Truncate(time.Millisecond)
	}
	e.ID = Position{Epoch: h.epoch, Seq: e.Seq}.String()
	return e
}

func text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// encodeName escapes what a header would not keep, such as a leading space.
func encodeName(name string) string { return url.PathEscape(name) }

func decodeName(header string) string {
	name, err := url.PathUnescape(header)
	if err != nil {
		name = header // a native client that does not escape
	}
	name = text(name)
	if len(name) > abi.MaxNameBytes || strings.ContainsAny(name, "\r\n") {
		return ""
	}
	return name
}

package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker/backup"
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
	epoch string          // random when the stream was made; a position in another history has another
	past  []backup.Prefix // epochs that it had before it was restored
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
		s, err = l.js.CreateStream(ctx, l.streamConfig(map[string]string{epochKey: newEpoch()}))
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
	metadata := s.CachedInfo().Config.Metadata
	past, err := parsePast(metadata[pastKey])
	if err != nil {
		return nil, fmt.Errorf("epochs of the history: %w", err)
	}
	return &history{link: l, epoch: metadata[epochKey], past: past}, nil
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
	return l.broker.historyConfig(quotas, metadata)
}

// historyConfig is the stream of a history with the bounds that quotas ask for.
func (b *Broker) historyConfig(quotas Quotas, metadata map[string]string) jetstream.StreamConfig {
	age, err := quotas.age()
	if err != nil { // not checked by PutTenant: written by another version
		age, _ = time.ParseDuration(defaultHistoryAge)
	}
	return jetstream.StreamConfig{
		Name: historyStream, Subjects: []string{eventPrefix + ">"}, Storage: jetstream.FileStorage, Replicas: b.config.replicas(),
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

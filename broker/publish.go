package broker

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/millrace/millrace/abi"
)

// Publication is an event to store.
type Publication struct {
	Subject string
	Data    string // UTF-8
	Name    string // event type, may be empty
	Key     string // idempotency: within two minutes, a second publication to the subject with it stores nothing

	id       string // in a cluster, of one without Key, so that it can be repeated
	source   string // that it is an output of
	sourceID string // of the remote event that it came from
}

// check returns what is wrong with p, ErrTooBig or an *InvalidError.
func (p Publication) check(maxData int) error {
	if err := ValidSubject(p.Subject); err != nil {
		return err
	}
	if len(p.Key) > abi.MaxKeyBytes {
		return invalid("key", "has %d bytes, more than %d", len(p.Key), abi.MaxKeyBytes)
	}
	err := abi.Event{Data: p.Data, Name: p.Name}.Check(maxData)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, abi.TooBig) && len(p.Data) > maxData:
		return fmt.Errorf("data of %d bytes: %w", len(p.Data), ErrTooBig)
	case errors.Is(err, abi.TooBig):
		return invalid("event", "has more than %d bytes", abi.MaxNameBytes)
	}
	return invalid("event", "or its data is not UTF-8, or the event's name has a line break")
}

// message is p as it is stored.
func (p Publication) message() *nats.Msg {
	m := &nats.Msg{Subject: eventPrefix + p.Subject, Data: []byte(p.Data)}
	for _, h := range [...]struct{ name, value string }{
		{nameHeader, encodeName(p.Name)}, {sourceHeader, p.source}, {sourceIDHeader, p.sourceID},
	} {
		if h.value != "" {
			if m.Header == nil {
				m.Header = make(nats.Header, 4)
			}
			m.Header.Set(h.name, h.value)
		}
	}
	if p.repeatable() {
		if m.Header == nil {
			m.Header = make(nats.Header, 1)
		}
		m.Header.Set(jetstream.MsgIDHeader, p.messageID())
	}
	return m
}

// repeatable tells whether p can be sent again without being stored twice.
func (p Publication) repeatable() bool { return p.Key != "" || p.id != "" }

// messageID is short whatever the key holds, and of no form that native clients are likely to use.
// It is for one subject: who may publish to some only must not be able to take others' keys.
func (p Publication) messageID() string {
	if p.Key == "" {
		return "once-" + p.id
	}
	kind := "key-"
	if p.source != "" {
		kind = "source-" + p.source + "-"
	}
	sum := sha256.Sum256([]byte(p.Subject + "\x00" + p.Key))
	return kind + base64.RawURLEncoding.EncodeToString(sum[:18])
}

// Publish stores an event and returns its position. A publication whose Key was used in the last two
// minutes gets the first one's position. Errors: ErrNotFound (tenant), ErrTooBig, *InvalidError,
// ErrUnavailable; after the last, an event without Key may have been stored nevertheless.
func (b *Broker) Publish(ctx context.Context, tenant string, p Publication) (Position, error) {
	if err := p.check(b.config.MaxEventBytes); err != nil {
		return Position{}, err
	}
	l, err := b.acquire(ctx, tenant)
	if err != nil {
		return Position{}, err
	}
	defer l.release()
	h, err := l.history(ctx)
	if err != nil {
		return Position{}, err
	}
	ctx, stop := l.within(ctx)
	defer stop()
	m := b.repeatable(p).message()
	for try := 0; ; try++ {
		ack, err := l.publish(ctx, m)
		if err == nil {
			if !ack.Duplicate {
				b.counts.published.Add(1)
			}
			return Position{Epoch: h.epoch, Seq: ack.Seq}, nil
		}
		if !repeatable(err, p.Key != "" || b.config.shared()) || !pause(ctx, try) {
			return Position{}, l.failed("publish", err)
		}
		if h, err = l.reopen(ctx, h, err); err != nil {
			return Position{}, err
		}
	}
}

// repeatable gives p an id where it has to be repeated through elections. A node that is alone spares
// itself the memory for all ids of the last two minutes.
func (b *Broker) repeatable(p Publication) Publication {
	if p.Key == "" && b.config.shared() {
		p.id = randomID()
	}
	return p
}

// repeatable tells whether a publication that met err can be sent again without being stored twice.
// Without an id that is only so when the server says that it was not stored.
func repeatable(err error, keyed bool) bool {
	var api *jetstream.APIError
	if errors.Is(err, nats.ErrNoResponders) || errors.As(err, &api) {
		return transient(err) || unsettled(err)
	}
	return keyed && transient(err)
}

// reopen looks for the history again when nobody answers for it. In a cluster that is mostly an
// election, so it asks first, and not for long.
func (l *link) reopen(ctx context.Context, h *history, err error) (*history, error) {
	if !errors.Is(err, nats.ErrNoResponders) {
		return h, nil
	}
	if l.broker.config.shared() {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, err := h.extent(ctx); !errors.Is(err, ErrGone) {
			return h, nil
		}
	}
	l.forget(h)
	return l.history(ctx)
}

// ack is the server's answer to a publication.
type ack struct {
	Error     *jetstream.APIError `json:"error"`
	Seq       uint64              `json:"seq"` // of the last message of a batch
	Duplicate bool                `json:"duplicate"`
	Count     int                 `json:"count"` // of the messages of a batch
}

// publish sends one message and waits for its acknowledgement, but not so long that it could not be
// sent again.
func (l *link) publish(ctx context.Context, m *nats.Msg) (ack, error) {
	ctx, cancel := context.WithTimeout(ctx, l.broker.config.patience())
	defer cancel()
	reply, err := l.nc.RequestMsgWithContext(ctx, m)
	if err != nil {
		return ack{}, err
	}
	return parseAck(reply)
}

func parseAck(m *nats.Msg) (a ack, err error) {
	if err := json.Unmarshal(m.Data, &a); err != nil {
		return a, fmt.Errorf("acknowledgement: %w", err)
	}
	if a.Error != nil {
		return a, a.Error
	}
	if a.Seq == 0 {
		return a, errors.New("acknowledgement without a sequence")
	}
	return a, nil
}

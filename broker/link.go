package broker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// How much one tenant may have under way on one node. What is beyond waits.
const (
	maxReads   = 16 // of history, each up to readBytes: together well below what cuts a connection
	maxBatches = 16 // the server takes 50 for a stream from all nodes
)

// link is an active tenant on this node: one connection to its account, made on first use and
// closed when nobody has used it for Config.Linger.
type link struct {
	broker  *Broker
	tenant  Tenant
	ctx     context.Context // ends with the link; its cause is why
	cancel  context.CancelCauseFunc
	reads   chan struct{}
	batches chan struct{}

	// Guarded by Broker.mu.
	users int
	idle  time.Time // since when there are no users

	mu  sync.Mutex // held while what follows is set up
	nc  *nats.Conn
	js  jetstream.JetStream
	ev  *history
	kv  jetstream.KeyValue
	hub *hub
}

// acquire returns the tenant's link, which the caller must release.
func (b *Broker) acquire(ctx context.Context, tenant string) (*link, error) {
	v, err := b.View(ctx, tenant)
	if err != nil {
		return nil, err
	}
	l, err := b.use(v.Tenant)
	if err != nil {
		return nil, err
	}
	// A deletion that was shown after View may have passed before the link was there to be ended.
	if now, err := b.View(ctx, tenant); err == nil && now.Tenant.UID != v.Tenant.UID || errors.Is(err, ErrNotFound) {
		l.release()
		b.drop(l, ErrNotFound)
		return nil, fmt.Errorf("tenant %s: %w", tenant, ErrNotFound)
	}
	if err := l.open(ctx); err != nil {
		l.release()
		return nil, fmt.Errorf("tenant %s: %w", tenant, err)
	}
	return l, nil
}

func (b *Broker) use(t Tenant) (*link, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return nil, ErrClosed
	}
	l := b.links[t.UID]
	if l == nil {
		l = &link{
			broker: b, tenant: t, reads: make(chan struct{}, maxReads), batches: make(chan struct{}, maxBatches),
		}
		l.ctx, l.cancel = context.WithCancelCause(context.Background())
		b.links[t.UID] = l
	}
	l.users++
	return l, nil
}

func (l *link) release() {
	l.broker.mu.Lock()
	defer l.broker.mu.Unlock()
	l.users--
	l.idle = time.Now()
}

// open connects, if that was not done before. The account is pushed first, once per link: that is
// quick, heals a node that missed it, and spares a login that would hang.
func (l *link) open(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.err(); err != nil || l.nc != nil {
		return err
	}
	ctx, stop := l.within(ctx)
	defer stop()
	b := l.broker
	account, err := b.operator.tenantAccount(l.tenant, b.config.maxPayload())
	if err != nil {
		return err
	}
	if err := retry(ctx, func(ctx context.Context) error { return pushAccount(ctx, b.system, b.operator, account) }); err != nil {
		return err
	}
	nc, err := b.servers.connect(account)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if l.js, err = jetstream.New(nc); err != nil {
		nc.Close()
		return err
	}
	l.nc = nc
	return nil
}

// err is why the link has ended, nil while it has not.
func (l *link) err() error { return context.Cause(l.ctx) }

// within bounds a call: by ctx, the end of the link, and the time that storage may take.
func (l *link) within(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	stop := context.AfterFunc(l.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// failed is err as callers shall see it: when the link has ended in the meantime, that is the reason.
func (l *link) failed(what string, err error) error {
	if ended := l.err(); ended != nil {
		return fmt.Errorf("%s: %w", what, ended)
	}
	if (transient(err) || unsettled(err) || hasCode(err, codeStoreFailed)) && !errors.Is(err, ErrUnavailable) {
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// end makes the link useless at once, with its hub and subscriptions.
func (l *link) end(cause error) { l.cancel(cause) }

// close waits for whoever is setting the link up, and disconnects it.
func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.nc != nil {
		l.nc.Close()
	}
}

// drop takes l out of use and ends it.
func (b *Broker) drop(l *link, cause error) {
	b.mu.Lock()
	if b.links[l.tenant.UID] == l {
		delete(b.links, l.tenant.UID)
	}
	b.mu.Unlock()
	l.end(cause)
	if !b.start(l.close) {
		l.close()
	}
}

// dropOthers ends the links of the tenant's name that v, its view now, is not about: those of a
// deleted tenant.
func (b *Broker) dropOthers(tenant string, v *View) {
	b.mu.Lock()
	var others []*link
	for uid, l := range b.links {
		if l.tenant.Name == tenant && !(v.live() && v.Tenant.UID == uid) {
			others = append(others, l)
		}
	}
	b.mu.Unlock()
	for _, l := range others {
		b.drop(l, ErrNotFound)
	}
}

// closeLink ends the link to the tenant with uid, and returns when it is disconnected.
func (b *Broker) closeLink(uid string) {
	b.mu.Lock()
	l := b.links[uid]
	b.mu.Unlock()
	if l != nil {
		b.drop(l, ErrNotFound)
		l.close()
	}
}

// sweep closes links that have been idle for the linger time.
func (b *Broker) sweep() {
	tick := time.NewTicker(max(b.config.Linger/2, 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-tick.C:
			for _, l := range b.idleLinks() {
				b.drop(l, ErrClosed)
			}
		}
	}
}

// idleLinks returns the links to close, which nobody can get any more.
func (b *Broker) idleLinks() (idle []*link) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for uid, l := range b.links {
		if l.users == 0 && time.Since(l.idle) >= b.config.Linger {
			delete(b.links, uid)
			idle = append(idle, l)
		}
	}
	return idle
}

// ask sends a question to a stream's leader, again if there is no answer: while there is no leader
// nobody says so.
func (l *link) ask(ctx context.Context, subject string, body []byte) (*nats.Msg, error) {
	for try := 0; ; try++ {
		attempt, cancel := context.WithTimeout(ctx, time.Second)
		m, err := l.nc.RequestWithContext(attempt, subject, body)
		cancel()
		if err == nil || !transient(err) || !pause(ctx, try) {
			return m, err
		}
	}
}

// slot takes a place in a bounded group, which the returned function gives back.
func (l *link) slot(ctx context.Context, group chan struct{}) (func(), error) {
	select {
	case group <- struct{}{}:
		return func() { <-group }, nil
	case <-l.ctx.Done():
		return nil, l.err()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

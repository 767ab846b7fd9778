package broker

import (
	"context"
	"testing"
)

// LoseLive makes the hubs of b miss the live messages that lose picks. It must be called before the
// first subscription.
func (b *Broker) LoseLive(lose func(seq uint64) bool) { b.loseLive = lose }

// RemoveEvent deletes one event from the tenant's history, as a native client may.
func (b *Broker) RemoveEvent(ctx context.Context, tb testing.TB, tenant string, seq uint64) {
	tb.Helper()
	l, err := b.acquire(ctx, tenant)
	if err != nil {
		tb.Fatal(err)
	}
	defer l.release()
	s, err := l.js.Stream(ctx, historyStream)
	if err == nil {
		err = s.DeleteMsg(ctx, seq)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

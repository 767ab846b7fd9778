package web

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/millrace/millrace/abi"
)

func text(s string) func([]byte) []byte {
	return func(b []byte) []byte { return append(b, s...) }
}

func TestOutboxJoinsWhatWaits(t *testing.T) {
	o := newOutbox(100, false)
	for _, s := range []string{"a", "b", "c"} {
		if err := o.put(context.Background(), 1, 0, text(s)); err != nil {
			t.Fatal(err)
		}
	}
	if b, frames, ended := o.take(); string(b) != "abc" || frames != 3 || ended {
		t.Errorf("take = %q, %d frames, ended %v; want abc, 3, false", b, frames, ended)
	}
}

func TestOutboxIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox(10, false)
		put := 0
		go func() {
			for o.put(t.Context(), 1, 0, text("12345678")) == nil {
				put++
			}
		}()
		synctest.Wait()
		if put != 2 {
			t.Errorf("%d frames of 8 bytes fit into a bound of 10, want 2: it is looked at before a frame, not cut", put)
		}
		b, _, _ := o.take()
		o.wrote(b, nil)
		synctest.Wait()
		if put != 4 {
			t.Errorf("after a take %d frames were put in all, want 4", put)
		}
		o.fail()
		synctest.Wait()
	})
}

func TestOutboxPutWaitsForTheWriteIfAcked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox(100, true)
		done := make(chan error, 1)
		go func() { done <- o.put(t.Context(), 1, 0, text("a")) }()
		synctest.Wait()
		b, _, _ := o.take()
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("put returned %v before the write was done", err)
		default:
		}
		o.wrote(b, nil)
		if err := <-done; err != nil {
			t.Errorf("put = %v after the write", err)
		}
	})
}

func TestOutboxPutFailsWithTheWriter(t *testing.T) {
	for _, acked := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			o := newOutbox(1, acked)
			done := make(chan error, 1)
			go func() {
				var err error
				for err == nil {
					err = o.put(t.Context(), 1, 0, text("a"))
				}
				done <- err
			}()
			synctest.Wait()
			o.fail()
			if err := <-done; !errors.Is(err, abi.Closed) {
				t.Errorf("acked %v: put = %v, want abi.Closed", acked, err)
			}
		})
	}
}

func TestOutboxPutEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox(1, false)
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error, 1)
		go func() {
			var err error
			for err == nil {
				err = o.put(ctx, 1, 0, text("a"))
			}
			done <- err
		}()
		synctest.Wait()
		cancel(errTimeout)
		if err := <-done; !errors.Is(err, errTimeout) {
			t.Errorf("put = %v, want the context's cause", err)
		}
	})
}

func TestOutboxClosedStillGivesWhatWaits(t *testing.T) {
	o := newOutbox(100, false)
	_ = o.put(t.Context(), 1, 0, text("last"))
	o.close()
	if err := o.put(t.Context(), 1, 0, text("more")); !errors.Is(err, abi.Closed) {
		t.Errorf("put after close = %v, want abi.Closed", err)
	}
	if b, _, ended := o.take(); string(b) != "last" || !ended {
		t.Errorf("take after close = %q, ended %v; want last, true", b, ended)
	}
}

func TestOutboxTellsAPositionOnce(t *testing.T) {
	o := newOutbox(100, false)
	_ = o.put(t.Context(), 1, 5, text("x"))
	if _, ok := o.untold(); ok {
		t.Error("a position that waits in a frame is told apart from it")
	}
	o.take()
	if seq, ok := o.untold(); ok {
		t.Errorf("position %d is told again; a frame carried it", seq)
	}
	o.advance(9)
	if seq, ok := o.untold(); !ok || seq != 9 {
		t.Errorf("untold = %d, %v, want 9", seq, ok)
	}
	if seq, ok := o.untold(); ok {
		t.Errorf("position %d is told twice", seq)
	}
}

func TestOutboxKeepsNoLargeBuffer(t *testing.T) {
	o := newOutbox(1<<20, false)
	_ = o.put(t.Context(), 1, 0, text(strings.Repeat("x", 1<<19)))
	b, _, _ := o.take()
	o.wrote(b, nil)
	if cap(o.spare)+cap(o.buf) > 64<<10 {
		t.Errorf("an idle outbox keeps %d bytes", cap(o.spare)+cap(o.buf))
	}
}

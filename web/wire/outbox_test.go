package wire

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
)

func text(s string) func([]byte) []byte {
	return func(b []byte) []byte { return append(b, s...) }
}

func nobody() {}

func TestOutboxJoinsWhatWaits(t *testing.T) {
	for _, chunked := range []bool{false, true} {
		o := &outbox{bound: 100}
		for _, s := range []string{"a", "b", "c"} {
			if err := o.put(t.Context(), 1, 0, text(s), nobody); err != nil {
				t.Fatal(err)
			}
		}
		want := map[bool]string{false: "abc", true: "3\r\nabc\r\n"}[chunked]
		if b, _, frames, ended := o.take(chunked); string(b) != want || frames != 3 || ended {
			t.Errorf("take(%v) = %q, %d frames, ended %v; want %q, 3, false", chunked, b, frames, ended, want)
		}
	}
}

func TestOutboxIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &outbox{bound: 10}
		put := 0
		go func() {
			for o.put(t.Context(), 1, 0, text("12345678"), nobody) == nil {
				put++
			}
		}()
		synctest.Wait()
		if put != 2 {
			t.Errorf("%d frames of 8 bytes fit into a bound of 10, want 2: it is looked at before a frame, not cut", put)
		}
		_, buf, _, _ := o.take(true)
		o.wrote(buf)
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
		o := &outbox{bound: 100, acked: true}
		done := make(chan error, 1)
		go func() { done <- o.put(t.Context(), 1, 0, text("a"), nobody) }()
		synctest.Wait()
		_, buf, _, _ := o.take(true)
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("put returned %v before the write was done", err)
		default:
		}
		o.wrote(buf)
		if err := <-done; err != nil {
			t.Errorf("put = %v after the write", err)
		}
	})
}

func TestOutboxPutOfNothingWaitsForNothing(t *testing.T) {
	o := &outbox{bound: 100, acked: true}
	if err := o.put(t.Context(), 0, 0, text(""), nobody); err != nil {
		t.Errorf("put = %v", err)
	}
}

func TestOutboxPutFailsWithTheWriter(t *testing.T) {
	for _, acked := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			o := &outbox{bound: 1, acked: acked}
			done := make(chan error, 1)
			go func() {
				var err error
				for err == nil {
					err = o.put(t.Context(), 1, 0, text("a"), nobody)
				}
				done <- err
			}()
			synctest.Wait()
			o.fail()
			if err := <-done; !errors.Is(err, ErrEnded) {
				t.Errorf("acked %v: put = %v, want ErrEnded", acked, err)
			}
		})
	}
}

func TestOutboxPutEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &outbox{bound: 1}
		why := errors.New("why")
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error, 1)
		go func() {
			var err error
			for err == nil {
				err = o.put(ctx, 1, 0, text("a"), nobody)
			}
			done <- err
		}()
		synctest.Wait()
		cancel(why)
		if err := <-done; !errors.Is(err, why) {
			t.Errorf("put = %v, want the context's cause", err)
		}
	})
}

func TestOutboxClosedStillGivesWhatWaits(t *testing.T) {
	o := &outbox{bound: 100}
	_ = o.put(t.Context(), 1, 0, text("last"), nobody)
	o.close()
	if err := o.put(t.Context(), 1, 0, text("more"), nobody); !errors.Is(err, ErrEnded) {
		t.Errorf("put after close = %v, want ErrEnded", err)
	}
	if b, _, _, ended := o.take(false); string(b) != "last" || !ended {
		t.Errorf("take after close = %q, ended %v; want last, true", b, ended)
	}
}

func TestOutboxTellsAPositionOnce(t *testing.T) {
	o := &outbox{bound: 100}
	_ = o.put(t.Context(), 1, 5, text("x"), nobody)
	if _, ok := o.untold(); ok {
		t.Error("a position that waits in a frame is told apart from it")
	}
	o.take(true)
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
	o := &outbox{bound: 1 << 20}
	_ = o.put(t.Context(), 1, 0, text(strings.Repeat("x", 1<<19)), nobody)
	_, buf, _, _ := o.take(true)
	o.wrote(buf)
	if cap(o.spare)+cap(o.buf) > 64<<10 {
		t.Errorf("an idle outbox keeps %d bytes", cap(o.spare)+cap(o.buf))
	}
}

func TestChunksCarryTheirBodies(t *testing.T) {
	for _, n := range []int{1, 15, 16, 255, 256, 70_000} {
		body := strings.Repeat("\n", n)
		chunk := appendChunk(nil, []byte(body))
		if want := fmt.Sprintf("%x\r\n%s\r\n", n, body); string(chunk) != want || len(chunk) > chunkSize(n) {
			t.Errorf("a body of %d bytes makes a chunk of %d", n, len(chunk))
		}
		if string(chunkBody(chunk)) != body {
			t.Errorf("a chunk of %d bytes does not give its body back", n)
		}
	}
	if got := appendChunk(nil, nil); len(got) > 0 {
		t.Errorf("no bytes make the chunk %q, which ends the stream", got)
	}
}

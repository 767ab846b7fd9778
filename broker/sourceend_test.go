package broker_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/broker/source"
)

// endOf is how the run of feed, as it is now, has come to its end.
func endOf(t *testing.T, b *broker.Broker) (source.Status, bool) {
	t.Helper()
	end, ok, err := b.SourceEnd(within(t), viewOf(t, b), "feed")
	if err != nil {
		t.Fatal(err)
	}
	return end, ok
}

func viewOf(t *testing.T, b *broker.Broker) *broker.View {
	t.Helper()
	v, err := b.Fresh(within(t), "acme")
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func end(t *testing.T, b *broker.Broker, v *broker.View, s source.Status) {
	t.Helper()
	if err := b.EndSource(within(t), v, "feed", s); err != nil {
		t.Fatal(err)
	}
}

func TestTheEndOfARunIsThatOfNoOther(t *testing.T) {
	dir := t.TempDir()
	b, stop := start(t, broker.Config{Dir: dir})
	s := feed(t, b, broker.Spec{})
	if got, ok := endOf(t, b); ok {
		t.Errorf("a source that runs has the end %+v", got)
	}
	at := appendTo(t, s, cursorOf(t, s), "7", "a")
	old := viewOf(t, b)
	end(t, b, old, source.Status{State: source.Failed, LastError: "status 401"})
	b.SaveCursors(within(t)) // a copy that was due must not wipe it out
	stop()
	b, _ = start(t, broker.Config{Dir: dir})
	if got, ok := endOf(t, b); !ok || got.State != source.Failed || got.LastError != "status 401" {
		t.Errorf("after a restart the end is %+v, %v", got, ok)
	}
	if got := cursorOf(t, storeOf(t, b)); got != at {
		t.Errorf("the cursor is %+v, not %+v", got, at)
	}
	if _, err := b.StartSource(within(t), "acme", "feed"); err != nil {
		t.Fatal(err)
	}
	if got, ok := endOf(t, b); ok {
		t.Errorf("the next run has the end %+v", got)
	}
	end(t, b, old, source.Status{State: source.Failed})
	if got, ok := endOf(t, b); ok {
		t.Errorf("the end of the run before is taken for the next one's: %+v", got)
	}
	if got := cursorOf(t, storeOf(t, b)); got.LastEventID != "7" {
		t.Errorf("the next run goes on after %q", got.LastEventID)
	}
}

// TestTheEndOfASourceLeavesItsMark: a request that was sent is still known to be, and a source that was
// deleted and made again has nothing of the old one.
func TestTheEndOfASourceLeavesItsMark(t *testing.T) {
	b, _ := start(t, broker.Config{})
	s := feed(t, b, broker.Spec{})
	if _, err := s.MarkSent(within(t), cursorOf(t, s)); err != nil {
		t.Fatal(err)
	}
	end(t, b, viewOf(t, b), source.Status{State: source.Done})
	if got := cursorOf(t, storeOf(t, b)); !got.Sent {
		t.Errorf("after the end %+v, not sent", got)
	}
	old := viewOf(t, b)
	if err := b.DeleteSource(within(t), "acme", "feed"); err != nil {
		t.Fatal(err)
	}
	end(t, b, old, source.Status{State: source.Done})
	if n := b.Cursors(within(t), t); n != 0 {
		t.Errorf("the end of a deleted source leaves %d records", n)
	}
	putSource(t, b, "feed", config("https://a.example"))
	if got, ok := endOf(t, b); ok {
		t.Errorf("a new source has the end %+v", got)
	}
	if got := cursorOf(t, storeOf(t, b)); got != (source.Cursor{}) {
		t.Errorf("a new source begins at %+v", got)
	}
}

func TestAFullKeyValueStoreKeepsNoEndFromBeingKept(t *testing.T) {
	b, _ := start(t, broker.Config{})
	feed(t, b, broker.Spec{})
	for err, n := error(nil), 1; !errors.Is(err, broker.ErrFull); n++ {
		if err = b.KVPut(within(t), "acme", strings.Repeat("k", n), make([]byte, 1<<20), 0); err != nil && !errors.Is(err, broker.ErrFull) {
			t.Fatal(err)
		}
	}
	long := source.Status{State: source.Failed, LastError: strings.Repeat("<", 4<<10), LastEventID: strings.Repeat("<", source.MaxIDBytes)}
	end(t, b, viewOf(t, b), long)
	if got, ok := endOf(t, b); !ok || got != long {
		t.Errorf("the end is %.100v, %v", got, ok)
	}
}

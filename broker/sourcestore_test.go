package broker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/broker/source"
)

// feed makes tenant acme with the source feed, and returns a store of its run.
func feed(t testing.TB, b *broker.Broker, spec broker.Spec) source.Store {
	t.Helper()
	tenant(t, b, "acme", spec)
	putSource(t, b, "feed", config("https://a.example"))
	return storeOf(t, b)
}

// storeOf returns another store of the source's run.
func storeOf(t testing.TB, b *broker.Broker) source.Store {
	t.Helper()
	v, err := b.Fresh(within(t), "acme")
	if err != nil {
		t.Fatal(err)
	}
	return b.SourceStore(v, "feed")
}

func cursorOf(t testing.TB, s source.Store) source.Cursor {
	t.Helper()
	c, err := s.Cursor(within(t))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func appendTo(t testing.TB, s source.Store, at source.Cursor, id string, data ...string) source.Cursor {
	t.Helper()
	c, err := s.Append(within(t), at, outputs(data...), source.Cursor{LastEventID: id})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func outputs(data ...string) []source.Output {
	all := make([]source.Output, len(data))
	for i, d := range data {
		all[i] = source.Output{Subject: "feed.tick", Name: "tick", Data: d, ID: d}
	}
	return all
}

// stored returns the data of all that history has, as a viewer of everything gets it.
func stored(t testing.TB, b *broker.Broker) []string {
	t.Helper()
	end := publish(t, b, "acme", "end", "end")
	var all []string
	for _, e := range readTo(t, subscribe(t, b, "acme", broker.From{Earliest: true}, ">"), end) {
		if e.Subject == "feed.tick" {
			all = append(all, e.Data)
		}
		if strings.HasPrefix(e.Subject, "_") {
			t.Errorf("a viewer gets %+v", e)
		}
	}
	return all
}

func TestStoreKeepsOutputsWithTheirCursor(t *testing.T) {
	dir := t.TempDir()
	b, stop := start(t, broker.Config{Dir: dir})
	s := feed(t, b, broker.Spec{})
	at := cursorOf(t, s)
	if at != (source.Cursor{}) {
		t.Fatalf("begins at %+v", at)
	}
	at = appendTo(t, s, at, "2", "a", "b")
	at = appendTo(t, s, at, "3") // a position without outputs
	at, err := s.Append(within(t), at, outputs("c"), source.Cursor{LastEventID: "4", Ended: true})
	if err != nil {
		t.Fatal(err)
	}
	stop()
	b, _ = start(t, broker.Config{Dir: dir})
	s = storeOf(t, b)
	if got := cursorOf(t, s); got != at || got != (source.Cursor{Revision: 3, LastEventID: "4", Ended: true}) {
		t.Errorf("after a restart %+v, not %+v", got, at)
	}
	if at, err = s.Append(within(t), at, nil, source.Cursor{LastEventID: "4", Ended: true, Complete: true}); err != nil {
		t.Fatal(err)
	}
	if got := cursorOf(t, storeOf(t, b)); got != at || !got.Ended || !got.Complete {
		t.Errorf("once it is complete it is at %+v, not %+v", got, at)
	}
	if got := stored(t, b); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("stored %q", got)
	}
	if h := b.Header(within(t), t, "acme", 1); h.Get("Millrace-Source") != "feed" || h.Get("Millrace-Source-Id") != "a" {
		t.Errorf("an output has headers %v", h)
	}
}

func TestARepeatedAppendStoresOnce(t *testing.T) {
	b, _ := start(t, broker.Config{})
	s := feed(t, b, broker.Spec{})
	first := appendTo(t, s, cursorOf(t, s), "1", "a")
	other := storeOf(t, b) // has the same cursor, and does not know what the first stores next
	cursorOf(t, other)
	second := appendTo(t, s, first, "2", "b", "c")
	if got := appendTo(t, other, first, "2", "b", "c"); got != second {
		t.Errorf("repeated: %+v, not %+v", got, second)
	}
	third := appendTo(t, other, second, "3", "d")
	for name, call := range map[string]func() (source.Cursor, error){
		"other outputs": func() (source.Cursor, error) {
			return s.Append(within(t), second, outputs("e"), source.Cursor{LastEventID: "3"})
		},
		"another position": func() (source.Cursor, error) {
			return s.Append(within(t), second, outputs("d"), source.Cursor{LastEventID: "4"})
		},
		"an old cursor": func() (source.Cursor, error) {
			return s.Append(within(t), first, outputs("b", "c"), source.Cursor{LastEventID: "2"})
		},
	} {
		if c, err := call(); !errors.Is(err, source.ErrConflict) {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
	if got := cursorOf(t, s); got != third {
		t.Errorf("ends at %+v, not %+v", got, third)
	}
	if got := stored(t, b); !slices.Equal(got, []string{"a", "b", "c", "d"}) {
		t.Errorf("stored %q", got)
	}
}

func TestManyOutputsAreStoredTogether(t *testing.T) {
	b, _ := start(t, broker.Config{})
	s := feed(t, b, broker.Spec{})
	var data []string
	for i := range source.MaxOutputs {
		data = append(data, fmt.Sprint(i))
	}
	appendTo(t, s, cursorOf(t, s), "1", data...)
	if got := stored(t, b); !slices.Equal(got, data) {
		t.Errorf("stored %d, not %d", len(got), len(data))
	}
	if _, err := s.Append(within(t), cursorOf(t, s), outputs(append(data, "x")...), source.Cursor{}); !errors.Is(err, broker.ErrTooBig) {
		t.Errorf("one more: %v", err)
	}
}

func TestEqualKeysAreStoredOnce(t *testing.T) {
	b, _ := start(t, broker.Config{})
	s := feed(t, b, broker.Spec{})
	keyed := func(data ...string) []source.Output {
		all := outputs(data...)
		for i := range all {
			all[i].Key = all[i].Data
		}
		return all
	}
	at := cursorOf(t, s)
	for i, data := range [][]string{{"a", "b"}, {"b", "c", "c"}, {"a", "c"}} {
		var err error
		if at, err = s.Append(within(t), at, keyed(data...), source.Cursor{LastEventID: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if got := stored(t, b); !slices.Equal(got, []string{"a", "b", "c"}) || at.LastEventID != "2" {
		t.Errorf("stored %q, at %+v", got, at)
	}
}

// TestHistoryMayLetGoOfACursor has other events push it out of history: a source that has been quiet
// for long goes on where it is.
func TestHistoryMayLetGoOfACursor(t *testing.T) {
	b, _ := start(t, broker.Config{})
	s := feed(t, b, broker.Spec{Quotas: broker.Quotas{HistoryBytes: 64 << 10}})
	at := appendTo(t, s, cursorOf(t, s), "7", "a")
	if n := b.SaveCursors(within(t)); n != 1 {
		t.Fatalf("%d copies were due", n)
	}
	fill(t, b, "acme", 1000, 1, 200)
	if b.LastOn(within(t), t, "acme", "_source.feed") != 0 {
		t.Fatal("the cursor is still in history")
	}
	if got := cursorOf(t, storeOf(t, b)); got != at {
		t.Errorf("the copy is %+v, not %+v", got, at)
	}
	late := storeOf(t, b)
	cursorOf(t, late)
	next := appendTo(t, s, at, "8", "b") // by a store that thinks its cursor is there
	if _, err := late.Append(within(t), at, outputs("c"), source.Cursor{LastEventID: "8"}); !errors.Is(err, source.ErrConflict) {
		t.Errorf("two stored after the same cursor: %v", err)
	}
	b.SaveCursors(within(t))
	fill(t, b, "acme", 1000, 1, 200)
	if _, err := late.Append(within(t), at, outputs("c"), source.Cursor{LastEventID: "8"}); !errors.Is(err, source.ErrConflict) {
		t.Errorf("two stored after the same cursor, of which history has nothing: %v", err)
	}
	if got := cursorOf(t, late); got != next {
		t.Errorf("ends at %+v, not %+v", got, next)
	}
}

func TestACursorOutlastsItsHistory(t *testing.T) {
	b, _ := start(t, broker.Config{})
	s := feed(t, b, broker.Spec{})
	at := appendTo(t, s, cursorOf(t, s), "7", "a")
	b.SaveCursors(within(t))
	b.RemoveHistory(within(t), t, "acme")
	at = appendTo(t, s, at, "8", "b")
	if got := cursorOf(t, storeOf(t, b)); got != at || at.Revision != 2 {
		t.Errorf("%+v, not %+v", got, at)
	}
	if got := stored(t, b); !slices.Equal(got, []string{"b"}) {
		t.Errorf("stored %q", got)
	}
}

func TestCopiesAreWrittenAtTheEnd(t *testing.T) {
	dir := t.TempDir()
	b, stop := start(t, broker.Config{Dir: dir})
	s := feed(t, b, broker.Spec{})
	at := appendTo(t, s, cursorOf(t, s), "7", "a")
	stop()
	b, _ = start(t, broker.Config{Dir: dir})
	b.RemoveHistory(within(t), t, "acme")
	if got := cursorOf(t, storeOf(t, b)); got != at {
		t.Errorf("%+v, not %+v", got, at)
	}
}

func TestARequestIsMarkedOnce(t *testing.T) {
	b, _ := start(t, broker.Config{})
	s := feed(t, b, broker.Spec{})
	other := storeOf(t, b)
	at := cursorOf(t, s)
	cursorOf(t, other)
	for range 2 { // the second as after a lost answer
		if got, err := s.MarkSent(within(t), at); err != nil || !got.Sent {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if _, err := other.MarkSent(within(t), at); !errors.Is(err, source.ErrConflict) {
		t.Errorf("another owner: %v", err)
	}
	at = appendTo(t, s, cursorOf(t, s), "1", "a")
	b.SaveCursors(within(t))
	if got := cursorOf(t, other); !got.Sent || !at.Sent || got != at {
		t.Errorf("another owner is at %+v, not %+v", got, at)
	}
	if _, err := b.StartSource(within(t), "acme", "feed"); err != nil {
		t.Fatal(err)
	}
	anew := storeOf(t, b)
	if got := cursorOf(t, anew); got.Sent || got.LastEventID != "1" || got.Revision != 1 {
		t.Errorf("started anew at %+v", got)
	}
	if got, err := anew.MarkSent(within(t), cursorOf(t, anew)); err != nil || !got.Sent {
		t.Errorf("marked anew: %+v, %v", got, err)
	}
}

func TestWhereAChangedSourceGoesOn(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(b *broker.Broker) error
		want   source.Cursor
	}{
		{"another subject", func(b *broker.Broker) error {
			c := config("https://a.example")
			c.Subject = "other"
			_, _, err := b.PutSource(t.Context(), "acme", "feed", c)
			return err
		}, source.Cursor{Revision: 1, LastEventID: "1"}},
		{"another URL", func(b *broker.Broker) error {
			_, _, err := b.PutSource(t.Context(), "acme", "feed", config("https://b.example"))
			return err
		}, source.Cursor{}},
		{"deleted and made again", func(b *broker.Broker) error {
			if err := b.DeleteSource(t.Context(), "acme", "feed"); err != nil {
				return err
			}
			_, _, err := b.PutSource(t.Context(), "acme", "feed", config("https://a.example"))
			return err
		}, source.Cursor{}},
	} {
		b, _ := start(t, broker.Config{})
		feed(t, b, broker.Spec{})
		for range 5 {
			if _, err := b.StartSource(within(t), "acme", "feed"); err != nil {
				t.Fatal(err)
			}
		}
		s := storeOf(t, b)
		at := appendTo(t, s, cursorOf(t, s), "1", "a")
		b.SaveCursors(within(t))
		if err := tt.change(b); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Append(within(t), at, outputs("late"), source.Cursor{}); !errors.Is(err, source.ErrConflict) {
			t.Errorf("%s: the old run stores on: %v", tt.name, err)
		}
		anew := storeOf(t, b)
		if got := cursorOf(t, anew); got != tt.want {
			t.Errorf("%s: goes on at %+v", tt.name, got)
		}
		appendTo(t, anew, tt.want, "2", "b")
		if got := stored(t, b); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("%s: stored %q", tt.name, got)
		}
	}
}

func TestCursorsAreNotForViewers(t *testing.T) {
	b, _ := start(t, broker.Config{})
	s := feed(t, b, broker.Spec{})
	live := subscribe(t, b, "acme", broker.From{}, ">", "*.feed")
	at := appendTo(t, s, cursorOf(t, s), "1", "a")
	appendTo(t, s, at, "2", "b")
	publish(t, b, "acme", "end", "end")
	if got := datas(take(t, live, 3)); got != "a b end" {
		t.Errorf("live: %s", got)
	}
	for _, pattern := range []string{"_source.>", "_source.feed", "_source"} {
		var bad *broker.InvalidError
		if _, err := b.Subscribe(within(t), "acme", []string{pattern}, broker.From{}); !errors.As(err, &bad) {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}

func TestADeletedTenantsCursorsGo(t *testing.T) {
	b, _ := start(t, broker.Config{})
	s := feed(t, b, broker.Spec{})
	appendTo(t, s, cursorOf(t, s), "1", "a")
	b.SaveCursors(within(t))
	if n := b.Cursors(within(t), t); n != 1 {
		t.Fatalf("%d copies", n)
	}
	if err := b.DeleteTenant(within(t), "acme"); err != nil {
		t.Fatal(err)
	}
	if n := b.Cursors(within(t), t); n != 0 {
		t.Errorf("%d copies are left", n)
	}
	if _, err := s.Cursor(context.Background()); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("its store: %v", err)
	}
}

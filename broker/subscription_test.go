package broker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

// subscribe opens a subscription for the rest of the test.
func subscribe(t testing.TB, b *broker.Broker, name string, from broker.From, subjects ...string) *broker.Subscription {
	t.Helper()
	s, err := b.Subscribe(within(t), name, subjects, from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// take reads n events.
func take(t testing.TB, s *broker.Subscription, n int) []*abi.Event {
	t.Helper()
	var all []*abi.Event
	for ctx := within(t); len(all) < n; {
		events, _, err := s.Next(ctx)
		if err != nil {
			t.Fatalf("after %d of %d events: %v", len(all), n, err)
		}
		all = append(all, events...)
	}
	return all
}

// quiet checks that nothing more comes once everything up to p has passed.
func quiet(t testing.TB, s *broker.Subscription, p broker.Position) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		events, seq, err := s.Next(ctx)
		cancel()
		if len(events) > 0 {
			t.Fatalf("unexpected event %s %q", events[0].ID, events[0].Data)
		}
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if seq >= p.Seq {
			return
		}
	}
	t.Fatalf("did not come to %s", p)
}

func datas(events []*abi.Event) string {
	var out []string
	for _, e := range events {
		out = append(out, e.Data)
	}
	return strings.Join(out, " ")
}

func TestSubscribeFrom(t *testing.T) {
	b, _ := start(t, broker.Config{})
	for i, tt := range []struct {
		name  string
		from  func(ids []broker.Position, third time.Time) broker.From
		want  string
		start int // index of the position it starts after
		reset bool
	}{
		{"live begins with the next event", func([]broker.Position, time.Time) broker.From { return broker.From{} }, "x", 5, false},
		{"earliest begins with the first", func([]broker.Position, time.Time) broker.From { return broker.From{Earliest: true} }, "1 2 3 4 5 x", 0, false},
		{"an id continues after it", func(ids []broker.Position, _ time.Time) broker.From { return broker.From{After: ids[2].String()} }, "3 4 5 x", 2, false},
		{"the id before the first continues with the first", func(ids []broker.Position, _ time.Time) broker.From { return broker.From{After: ids[0].String()} }, "1 2 3 4 5 x", 0, false},
		{"the last id continues live", func(ids []broker.Position, _ time.Time) broker.From { return broker.From{After: ids[5].String()} }, "x", 5, false},
		{"a time begins with what was stored since", func(_ []broker.Position, third time.Time) broker.From { return broker.From{Since: third} }, "3 4 5 x", 2, false},
		{"a time to come begins live", func([]broker.Position, time.Time) broker.From { return broker.From{Since: time.Now().Add(time.Hour)} }, "x", 5, false},
		{"another epoch resets to live", func([]broker.Position, time.Time) broker.From { return broker.From{After: "0123456789ab-3"} }, "x", 5, true},
		{"an id from the future resets to live", func(ids []broker.Position, _ time.Time) broker.From { return broker.From{After: ids[0].Epoch + "-6"} }, "x", 5, true},
		{"no position at all resets to live", func([]broker.Position, time.Time) broker.From { return broker.From{After: "🙂"} }, "x", 5, true},
	} {
		name := fmt.Sprint("t", i)
		tenant(t, b, name, broker.Spec{})
		ids := make([]broker.Position, 1, 6)
		var third time.Time
		for n := 1; n <= 5; n++ {
			if n == 3 {
				third = time.Now()
			}
			ids = append(ids, publish(t, b, name, "a.b", fmt.Sprint(n)))
		}
		ids[0].Epoch = ids[1].Epoch
		s := subscribe(t, b, name, tt.from(ids, third), "a.>")
		if got, want := s.Start(), (broker.Start{Position: ids[tt.start], Reset: tt.reset}); got != want {
			t.Errorf("%s: starts at %+v, not %+v", tt.name, got, want)
		}
		last := publish(t, b, name, "a.x", "x")
		if got := datas(take(t, s, len(strings.Fields(tt.want)))); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
		quiet(t, s, last)
	}
}

func TestSubscribeAfterPartOfAnEvent(t *testing.T) {
	b, _ := start(t, broker.Config{})
	tenant(t, b, "acme", broker.Spec{})
	publish(t, b, "acme", "a", "1")
	p := publish(t, b, "acme", "a", "2")
	p.Output = 3
	s := subscribe(t, b, "acme", broker.From{After: p.String()}, "a")
	if got, want := s.Start(), (broker.Start{Position: p}); got != want {
		t.Errorf("starts at %+v, not %+v", got, want)
	}
	if got := datas(take(t, s, 1)); got != "2" {
		t.Errorf("got %s", got)
	}
}

func TestEventFields(t *testing.T) {
	b, _ := start(t, broker.Config{})
	tenant(t, b, "acme", broker.Spec{})
	data, name := "line\r\none\x00 🙂", "  50% näme: "
	p, err := b.Publish(within(t), "acme", broker.Publication{Subject: "a.b", Data: data, Name: name})
	if err != nil {
		t.Fatal(err)
	}
	publish(t, b, "acme", "a.c", "")
	for _, e := range take(t, subscribe(t, b, "acme", broker.From{Earliest: true}, "a.b"), 1) {
		if time.Since(e.Time) > time.Minute || e.Time.IsZero() {
			t.Errorf("time %s", e.Time)
		}
		e := *e
		e.Time = time.Time{}
		want := abi.Event{Data: data, Name: name, Subject: "a.b", Seq: p.Seq, ID: p.String(), Replayed: true}
		if e != want {
			t.Errorf("got %+v, want %+v", e, want)
		}
	}
}

func TestFilters(t *testing.T) {
	b, _ := start(t, broker.Config{})
	tenant(t, b, "acme", broker.Spec{})
	for _, tt := range []struct {
		name     string
		patterns []string
		want     string
	}{
		{"one subject", []string{"a.x"}, "a.x"},
		{"one token", []string{"a.*"}, "a.x a.y"},
		{"the rest", []string{"a.>"}, "a.x a.y a.x.z"},
		{"everything", []string{">"}, "a.x b.x a.y a.x.z b"},
		{"overlapping ones give each event once", []string{"a.*", "*.x", "a.x"}, "a.x b.x a.y"},
		{"several are merged in order", []string{"b", "a.x.z", "a.x"}, "a.x a.x.z b"},
		{"none match", []string{"c.>", "a"}, ""},
	} {
		live := subscribe(t, b, "acme", broker.From{}, tt.patterns...)
		after := live.Start().Position.String()
		var last broker.Position
		for _, subject := range []string{"a.x", "b.x", "a.y", "a.x.z", "b"} {
			last = publish(t, b, "acme", subject, subject)
		}
		n := len(strings.Fields(tt.want))
		for kind, s := range map[string]*broker.Subscription{
			"live":   live,
			"memory": subscribe(t, b, "acme", broker.From{After: after}, tt.patterns...),
		} {
			if got := datas(take(t, s, n)); got != tt.want {
				t.Errorf("%s, %s: got %q, want %q", tt.name, kind, got, tt.want)
			}
			quiet(t, s, last)
		}
	}
}

func TestNextUpToDoesNotWaitBeyond(t *testing.T) {
	for _, ring := range []int{8 << 20, 1} {
		b, _ := start(t, broker.Config{RingBytes: ring})
		tenant(t, b, "acme", broker.Spec{})
		first := publish(t, b, "acme", "a", "one")
		publish(t, b, "acme", "a", "two")
		last := publish(t, b, "acme", "b", "of no concern")
		s := subscribe(t, b, "acme", broker.From{After: first.String()}, "a")
		var got []string
		for seq := first.Seq; seq < last.Seq; {
			events, to, err := s.NextUpTo(within(t), last.Seq)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events {
				got = append(got, e.Data)
			}
			seq = to
		}
		if fmt.Sprint(got) != "[two]" {
			t.Errorf("with a ring of %d bytes: %q, want two", ring, got)
		}
		if events, to, err := s.NextUpTo(within(t), last.Seq); len(events) > 0 || to < last.Seq || err != nil {
			t.Errorf("at the end: %d events, to %d, %v; want none at once", len(events), to, err)
		}
	}
}

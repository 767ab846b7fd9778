package broker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	tenant(t, b, "acme", broker.Spec{})
	var ids []broker.Position
	var third time.Time
	for i := range 5 {
		if i == 2 {
			time.Sleep(2 * time.Millisecond) // so that its time, in whole milliseconds on the wire, is its own
			third = time.Now()
		}
		ids = append(ids, publish(t, b, "acme", fmt.Sprintf("a.%d", i), fmt.Sprint(i)))
	}
	epoch := ids[0].Epoch
	for _, tt := range []struct {
		name  string
		from  broker.From
		want  string
		start broker.Start
	}{
		{"live begins with the next event", broker.From{}, "x", broker.Start{Position: ids[4]}},
		{"earliest begins with the first", broker.From{Earliest: true}, "0 1 2 3 4 x", broker.Start{Position: broker.Position{Epoch: epoch}}},
		{"an id continues after it", broker.From{After: ids[1].String()}, "2 3 4 x", broker.Start{Position: ids[1]}},
		{"the last id continues live", broker.From{After: ids[4].String()}, "x", broker.Start{Position: ids[4]}},
		{"part of an event's outputs begins with that event", broker.From{After: ids[1].String() + ".2"}, "1 2 3 4 x", broker.Start{Position: broker.Position{Epoch: epoch, Seq: ids[1].Seq, Output: 2}}},
		{"a time begins with what was stored since", broker.From{Since: third}, "2 3 4 x", broker.Start{Position: ids[1]}},
		{"a time to come begins live", broker.From{Since: time.Now().Add(time.Hour)}, "x", broker.Start{Position: ids[4]}},
		{"another epoch resets to live", broker.From{After: "0123456789ab-3"}, "x", broker.Start{Position: ids[4], Reset: true}},
		{"an id from the future resets to live", broker.From{After: epoch + "-99999"}, "x", broker.Start{Position: ids[4], Reset: true}},
		{"no position at all resets to live", broker.From{After: "🙂"}, "x", broker.Start{Position: ids[4], Reset: true}},
	} {
		s := subscribe(t, b, "acme", tt.from, "a.>")
		if got := s.Start(); got != tt.start {
			t.Errorf("%s: starts at %+v, not %+v", tt.name, got, tt.start)
		}
		last := publish(t, b, "acme", "a.x", "x")
		if got := datas(take(t, s, len(strings.Fields(tt.want)))); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
		quiet(t, s, last)
		// The next case must find the history as it was.
		remove(t, b, "acme", last)
		ids[4].Seq = last.Seq
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
		replayed := subscribe(t, b, "acme", broker.From{}, tt.patterns...)
		_ = replayed
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
		history := slices.Clone(take(t, subscribe(t, b, "acme", broker.From{Earliest: true}, tt.patterns...), n))
		if got := datas(history[:n]); got != tt.want {
			t.Errorf("%s, history: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func remove(t testing.TB, b *broker.Broker, name string, p broker.Position) {
	t.Helper()
	b.RemoveEvent(within(t), t, name, p.Seq)
}

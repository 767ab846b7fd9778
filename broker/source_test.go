package broker_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/broker/source"
)

func config(url string) source.Config { return source.Config{URL: url, Subject: "feed.{event}"} }

func putSource(t testing.TB, b *broker.Broker, name string, c source.Config) broker.Source {
	t.Helper()
	s, _, err := b.PutSource(within(t), "acme", name, c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSources(t *testing.T) {
	b, _ := start(t, broker.Config{})
	ctx := within(t)
	tenant(t, b, "acme", broker.Spec{})
	c := config("https://a.example/x")
	c.Method, c.Body = "POST", []byte(`{ "a": 1 }`)
	for i, want := range []bool{true, false} {
		s, created, err := b.PutSource(ctx, "acme", "feed", c)
		if err != nil || created != want || s.Run != 1 || s.Name != "feed" || s.ConnectTimeout != 15_000 || s.Created.IsZero() {
			t.Errorf("put %d: %+v, %t, %v", i, s, created, err)
		}
	}
	steps := []struct {
		name    string
		change  func() (broker.Source, error)
		run     uint64
		stopped bool
	}{
		{"stop", func() (broker.Source, error) { return b.StopSource(ctx, "acme", "feed") }, 1, true},
		{"stop again", func() (broker.Source, error) { return b.StopSource(ctx, "acme", "feed") }, 1, true},
		{"put with equal content starts nothing", func() (broker.Source, error) { return putSource(t, b, "feed", c), nil }, 1, true},
		{"start", func() (broker.Source, error) { return b.StartSource(ctx, "acme", "feed") }, 2, false},
		{"start again", func() (broker.Source, error) { return b.StartSource(ctx, "acme", "feed") }, 3, false},
		{"put with another content", func() (broker.Source, error) { c.Subject = "b"; return putSource(t, b, "feed", c), nil }, 4, false},
	}
	for _, step := range steps {
		s, err := step.change()
		if err != nil || s.Run != step.run || s.Stopped != step.stopped {
			t.Errorf("%s: run %d, stopped %t, %v", step.name, s.Run, s.Stopped, err)
		}
		v, _ := b.View(ctx, "acme")
		if in := v.Sources["feed"]; in.Run != step.run || in.Stopped != step.stopped || string(in.Body) != `{"a":1}` {
			t.Errorf("%s: in the view %+v", step.name, in)
		}
	}
	if err := b.DeleteSource(ctx, "acme", "feed"); err != nil {
		t.Error(err)
	}
	if v, _ := b.View(ctx, "acme"); len(v.Sources) != 0 {
		t.Errorf("after its deletion: %v", v.Sources)
	}
}

func TestSourcesThatAreNotThere(t *testing.T) {
	b, _ := start(t, broker.Config{})
	ctx := within(t)
	tenant(t, b, "acme", broker.Spec{})
	for _, name := range []string{"none", "No.Name"} {
		_, stop := b.StopSource(ctx, "acme", name)
		_, start := b.StartSource(ctx, "acme", name)
		for _, err := range []error{stop, start, b.DeleteSource(ctx, "acme", name)} {
			if !errors.Is(err, broker.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if _, _, err := b.PutSource(ctx, "nobody", "feed", config("https://a.example")); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("tenant that is not there: %v", err)
	}
}

func TestBadSources(t *testing.T) {
	b, _ := start(t, broker.Config{})
	tenant(t, b, "acme", broker.Spec{})
	_, _, err := b.PutSource(within(t), "acme", "feed", source.Config{URL: "ftp://x", Subject: "_a"})
	var field *source.FieldError
	if !errors.As(err, &field) {
		t.Errorf("bad content: %v", err)
	}
	missing := config("https://a.example")
	missing.Plugin = "shape"
	for name, c := range map[string]source.Config{"No": config("https://a.example"), "feed": missing} {
		var bad *broker.InvalidError
		if _, _, err := b.PutSource(within(t), "acme", name, c); !errors.As(err, &bad) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if v, _ := b.View(within(t), "acme"); len(v.Sources) != 0 {
		t.Errorf("stored all the same: %v", v.Sources)
	}
}

func TestAPluginOfASourceIsInUse(t *testing.T) {
	b, _ := start(t, broker.Config{})
	ctx := within(t)
	tenant(t, b, "acme", broker.Spec{})
	upload(t, b, "acme", "shape", "wasm")
	c := config("https://a.example")
	c.Plugin = "shape@1"
	putSource(t, b, "feed", c)
	if err := b.DeletePlugin(ctx, "acme", "shape"); !errors.Is(err, broker.ErrInUse) {
		t.Errorf("while it is in use: %v", err)
	}
	if err := b.DeleteSource(ctx, "acme", "feed"); err != nil {
		t.Error(err)
	}
	if err := b.DeletePlugin(ctx, "acme", "shape"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestSourcesAreCounted(t *testing.T) {
	b, _ := start(t, broker.Config{})
	tenant(t, b, "acme", broker.Spec{Quotas: broker.Quotas{Sources: 2}})
	for i := range 2 {
		putSource(t, b, fmt.Sprint("feed-", i), config("https://a.example"))
	}
	_, _, err := b.PutSource(within(t), "acme", "one-more", config("https://a.example"))
	if v, _ := b.View(within(t), "acme"); !errors.Is(err, broker.ErrQuota) || len(v.Sources) != 2 {
		t.Errorf("one more: %v, %d sources", err, len(v.Sources))
	}
	putSource(t, b, "feed-0", config("https://b.example")) // is no more
}

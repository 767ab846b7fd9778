package plugins_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker/source"
	"github.com/millrace/millrace/broker/source/sourcetest"
	"github.com/millrace/millrace/host"
	"github.com/millrace/millrace/plugins"
)

// TestExamplesReadRemoteStreams runs those that do so as they run in Millrace: as modules in the
// host, whose streams the client of sources opens, from a stand-in of the remotes.
func TestExamplesReadRemoteStreams(t *testing.T) {
	if testing.Short() {
		t.Skip("compiling the modules takes a while")
	}
	h, err := host.New(t.Context(), host.Config{EventTimeout: time.Minute, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close(context.Background()) })
	feed := sourcetest.NewServer(sourcetest.New(nil))
	t.Cleanup(feed.Close)
	client := source.NewClient(source.ClientConfig{AllowPrivate: true, Secrets: func(context.Context, string, string) (string, error) { return "key", nil }})
	t.Cleanup(client.Close)
	for name, want := range map[string][]string{
		"ai-chat":     {"token A", "token  river", `usage {"prompt_tokens":9,"completion_tokens":17,"total_tokens":26}`, `done {"complete":true,"total":17}`},
		"claude-chat": {"token A", "token  river", `usage {"input_tokens":9,"output_tokens":17}`, `done {"complete":true,"reason":"end_turn","total":17}`},
		"wikimedia":   {`wiki {"title":"Mill","user":"Miller","wiki":"enwiki","type":"edit","url":"https://en.wikipedia.org/wiki/Mill"}`},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := h.Prepare(t.Context(), build(t, name))
			if err != nil {
				t.Fatal(err)
			}
			defer p.Release()
			v := &viewer{t: t, client: client, values: map[string]string{}}
			example := plugins.Examples[slices.IndexFunc(plugins.Examples, func(e plugins.Example) bool { return e.Name == name })]
			if example.Source == "" {
				for key, value := range example.Keys {
					v.values[key] = strings.ReplaceAll(value, plugins.Feed, feed.URL)
				}
				err = p.Stream(t.Context(), v.session())
			} else {
				err = v.source(p, strings.ReplaceAll(example.Source, plugins.Feed, feed.URL))
			}
			if err != nil {
				t.Error(err)
			}
			for _, sent := range want {
				if !slices.Contains(v.sent, sent) {
					t.Errorf("sent %q, want %q", v.sent, sent)
				}
			}
			for _, r := range feed.Requests()[feed.Counts().Connections-1:] {
				if key := r.Header.Get("Authorization") + r.Header.Get("X-Api-Key"); len(example.Secrets) > 0 && !strings.HasSuffix(key, "key") {
					t.Errorf("the remote was given the key %q", key)
				}
			}
		})
	}
}

// viewer is all that an example meets: who asks, the tenant's store, and the way to remotes.
type viewer struct {
	t      *testing.T
	client *source.Client
	values map[string]string
	sent   []string // name and data
}

func (v *viewer) session() host.Session {
	return host.Session{
		Request: abi.Request{Query: map[string][]string{"prompt": {"What does a river remember?"}}},
		Emitter: v, Services: v, Opener: v,
		Log: func(_ slog.Level, text string) { v.t.Log(text) },
	}
}

// source gives the first events of a source to its plugin's onEvent.
func (v *viewer) source(p *host.Plugin, spec string) error {
	var config source.Config
	if err := json.Unmarshal([]byte(spec), &config); err != nil {
		return err
	}
	stream, err := v.client.Connect(v.t.Context(), source.Request{URL: config.URL, SSE: config.SSE})
	if err != nil {
		return err
	}
	defer stream.Close()
	for range 5 {
		e, err := stream.Next()
		if err != nil {
			return err
		}
		o, err := p.Source(v.t.Context(), v.session(), abi.OnEvent, &e)
		if err != nil {
			return err
		}
		for _, e := range o.Outputs {
			v.Send(e)
		}
	}
	return nil
}

func (v *viewer) Send(e abi.Event) error {
	v.sent = append(v.sent, e.Name+" "+e.Data)
	return nil
}

func (v *viewer) Comment(string) error { return nil }
func (v *viewer) Close()               {}

func (v *viewer) Receive(context.Context) (*abi.Event, error) { return nil, abi.Closed }

func (v *viewer) Publish(context.Context, string, abi.Event) error { return nil }

func (v *viewer) KVGet(_ context.Context, key string) ([]byte, error) {
	value, ok := v.values[key]
	if !ok {
		return nil, abi.NotFound
	}
	return []byte(value), nil
}

func (v *viewer) KVPut(context.Context, string, []byte, time.Duration) error { return nil }
func (v *viewer) KVDelete(context.Context, string) error                     { return nil }

func (v *viewer) Open(ctx context.Context, r abi.OpenRequest) (host.Remote, error) {
	stream, err := v.client.Connect(ctx, source.Request{
		URL: r.URL, Method: r.Method, Headers: r.Headers, Body: r.Body, ContentType: "application/json", SSE: r.SSE, LastEventID: r.LastEventID,
	})
	return remote{stream}, err
}

type remote struct{ *source.Stream }

func (r remote) Receive(context.Context) (*abi.Event, error) {
	e, err := r.Next()
	if errors.Is(err, io.EOF) {
		err = abi.Closed
	}
	return &e, err
}

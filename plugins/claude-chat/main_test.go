package main

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest/guesttest"
	"github.com/millrace/millrace/broker/source/sourcetest"
)

// asking is a host whose viewer asks, and whose provider answers with r.
func asking(r guesttest.Remote) *guesttest.Host {
	return &guesttest.Host{
		Request: abi.Request{Query: map[string][]string{"prompt": {"What does a river remember?"}}},
		Open:    func(abi.OpenRequest) (guesttest.Remote, error) { return r, nil },
	}
}

func TestTheAnswerIsRelayed(t *testing.T) {
	got := asking(guesttest.Remote{Events: sourcetest.Anthropic(sourcetest.Answer)}).Stream(t, onStream)
	var answer strings.Builder
	var rest []abi.Event
	for _, e := range got.Sent {
		if e.Name == "token" {
			answer.WriteString(e.Data)
		} else {
			rest = append(rest, e)
		}
	}
	want := []abi.Event{
		{Name: "usage", Data: `{"input_tokens":9,"output_tokens":17}`},
		{Name: "done", Data: `{"complete":true,"reason":"end_turn","total":17}`},
	}
	if answer.String() != sourcetest.Answer || !slices.Equal(rest, want) || got.Code != 0 || len(got.Log) > 0 {
		t.Errorf("sent %q, %v with code %d, log %v", answer.String(), rest, got.Code, got.Log)
	}
}

func TestWhatIsAsked(t *testing.T) {
	h := asking(guesttest.Remote{})
	r := h.Stream(t, onStream).Opened[0]
	if r.URL != provider || r.Method != "POST" || r.Headers["x-api-key"] != "{{secret.anthropic}}" || r.Headers["anthropic-version"] == "" ||
		!strings.Contains(string(r.Body), `[{"content":"What does a river remember?","role":"user"}]`) {
		t.Errorf("asked %+v, body %s", r, r.Body)
	}
	h.Body, h.KV = []byte(`Say "hi"`), map[string][]byte{"claude-chat.url": []byte("http://model.example/messages")}
	r = h.Stream(t, onStream).Opened[0]
	if r.URL != "http://model.example/messages" || !strings.Contains(string(r.Body), `[{"content":"Say \"hi\"","role":"user"}]`) {
		t.Errorf("with a body and an address asked %+v, body %s", r, r.Body)
	}
}

func TestTheViewerLearnsOfErrors(t *testing.T) {
	all := sourcetest.Anthropic(sourcetest.Answer)
	for _, tt := range []struct {
		name   string
		remote guesttest.Remote
		tokens int
		want   string
		log    string
	}{
		{"in the middle of the stream", guesttest.Remote{Events: append(all[:5:5], sourcetest.Overloaded)}, 2,
			`{"error":"the provider did not answer as it should"}`, `no answer error="overloaded_error: Overloaded"`},
		{"a status", guesttest.Remote{Response: abi.Response{Status: 529}, Err: errors.New("status 529: overloaded")}, 0,
			`{"error":"the provider did not answer as it should","status":529}`, `no answer error="remote stream: status 529: overloaded"`},
		{"an end too early", guesttest.Remote{Events: all[:len(all)-1]}, 17,
			`{"error":"the provider did not answer as it should"}`, `no answer error="the answer ended without its end mark"`},
	} {
		got := asking(tt.remote).Stream(t, onStream)
		if n := len(got.Sent) - 1; n != tt.tokens || got.Sent[n] != (abi.Event{Name: "error", Data: tt.want}) || got.Code != 0 {
			t.Errorf("%s: sent %v with code %d", tt.name, got.Sent, got.Code)
		}
		if want := []guesttest.Line{{Level: abi.LogError, Text: tt.log}}; !slices.Equal(got.Log, want) {
			t.Errorf("%s: log %v, want %v", tt.name, got.Log, want)
		}
	}
}

func TestWhatIsNoTextIsPassedOver(t *testing.T) {
	got := asking(guesttest.Remote{Events: []abi.Event{
		{Name: "content_block_delta", Data: `{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":"{"}}`},
		{Name: "new_in_2030", Data: `{"type":"new_in_2030"}`},
		{Name: "content_block_delta", Data: `{`},
		{Name: "message_stop", Data: `{"type":"message_stop"}`},
	}}).Stream(t, onStream)
	want := []abi.Event{{Name: "usage", Data: `{"input_tokens":0,"output_tokens":0}`}, {Name: "done", Data: `{"complete":true,"reason":"","total":0}`}}
	if !slices.Equal(got.Sent, want) || len(got.Log) != 1 {
		t.Errorf("sent %v, log %v", got.Sent, got.Log)
	}
}

func TestNothingIsAskedWithoutAPrompt(t *testing.T) {
	got := new(guesttest.Host).Stream(t, onStream)
	if got.Code != int32(abi.Invalid) || len(got.Opened)+len(got.Sent) > 0 {
		t.Errorf("got %+v", got)
	}
}

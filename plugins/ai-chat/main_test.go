package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

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
	got := asking(guesttest.Remote{Events: sourcetest.OpenAIChat(sourcetest.Answer)}).Stream(t, onStream)
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
		{Name: "usage", Data: `{"prompt_tokens":9,"completion_tokens":17,"total_tokens":26}`},
		{Name: "done", Data: `{"complete":true,"total":17}`},
	}
	if answer.String() != sourcetest.Answer || !slices.Equal(rest, want) || got.Code != 0 || len(got.Log) > 0 {
		t.Errorf("sent %q, %v with code %d, log %v", answer.String(), rest, got.Code, got.Log)
	}
}

func TestWhatIsAsked(t *testing.T) {
	h := asking(guesttest.Remote{})
	r := h.Stream(t, onStream).Opened[0]
	if r.URL != provider || r.Method != "POST" || r.Headers["Authorization"] != "Bearer {{secret.openai}}" ||
		!strings.Contains(string(r.Body), `{"content":"What does a river remember?","role":"user"}`) {
		t.Errorf("asked %+v, body %s", r, r.Body)
	}
	h.Body, h.KV = []byte(`Say "hi"`), map[string][]byte{"ai-chat.url": []byte("http://model.example/chat")}
	r = h.Stream(t, onStream).Opened[0]
	if r.URL != "http://model.example/chat" || !strings.Contains(string(r.Body), `{"content":"Say \"hi\"","role":"user"}`) {
		t.Errorf("with a body and an address asked %+v, body %s", r, r.Body)
	}
}

func TestTheViewerLearnsOfErrors(t *testing.T) {
	half := sourcetest.OpenAIChat(sourcetest.Answer)[:3]
	for _, tt := range []struct {
		name   string
		remote guesttest.Remote
		want   string
		log    string
	}{
		{"a status", guesttest.Remote{Response: abi.Response{Status: 429}, Err: errors.New("status 429: quota of org-1 is used up")},
			`{"error":"the provider did not answer as it should","status":429}`, `no answer error="remote stream: status 429: quota of org-1 is used up"`},
		{"a cut", guesttest.Remote{Events: half, Err: errors.New("reset")},
			`{"error":"the provider did not answer as it should","status":200}`, `no answer error="remote stream: reset"`},
		{"an end too early", guesttest.Remote{Events: half},
			`{"error":"the provider did not answer as it should"}`, `no answer error="the answer ended without its end mark"`},
		{"an error of the model", guesttest.Remote{Events: append(half[:1:1], abi.Event{Data: `{"error":{"message":"overloaded"}}`})},
			`{"error":"the provider did not answer as it should"}`, `no answer error=overloaded`},
	} {
		got := asking(tt.remote).Stream(t, onStream)
		if last := got.Sent[len(got.Sent)-1]; last != (abi.Event{Name: "error", Data: tt.want}) || got.Code != 0 {
			t.Errorf("%s: ended with %+v and code %d", tt.name, last, got.Code)
		}
		if want := []guesttest.Line{{Level: abi.LogError, Text: tt.log}}; !slices.Equal(got.Log, want) {
			t.Errorf("%s: log %v, want %v", tt.name, got.Log, want)
		}
	}
}

func TestOneBadChunkIsPassedOver(t *testing.T) {
	got := asking(guesttest.Remote{Events: []abi.Event{{Data: "{"}, {Data: "[DONE]"}}}).Stream(t, onStream)
	if want := []abi.Event{{Name: "done", Data: `{"complete":true,"total":0}`}}; !slices.Equal(got.Sent, want) || len(got.Log) != 1 {
		t.Errorf("sent %v, log %v", got.Sent, got.Log)
	}
}

func TestNothingIsAskedWithoutAPrompt(t *testing.T) {
	got := new(guesttest.Host).Stream(t, onStream)
	if got.Code != int32(abi.Invalid) || len(got.Opened)+len(got.Sent) > 0 {
		t.Errorf("got %+v", got)
	}
}

func TestTheViewerLeaves(t *testing.T) {
	h := asking(guesttest.Remote{Events: []abi.Event{{Data: "[DONE]", Time: time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)}}})
	if got := h.Stream(t, onStream); got.Code != 0 || len(got.Sent)+len(got.Log) > 0 {
		t.Errorf("got %+v, want an orderly end", got)
	}
}

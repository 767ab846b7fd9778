package main

import (
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest/guesttest"
)

func TestTokensOfTheRecording(t *testing.T) {
	got := new(guesttest.Host).Stream(t, onStream)
	const total = 80
	if len(got.Sent) != total+1 {
		t.Fatalf("sent %d events, want %d tokens and done", len(got.Sent), total)
	}
	var answer strings.Builder
	for i, e := range got.Sent[:total] {
		if e.Name != "token" || e.Data == "" {
			t.Fatalf("event %d is %+v, want a token", i, e)
		}
		answer.WriteString(e.Data)
	}
	text := answer.String()
	if !strings.HasPrefix(text, "A mill race is the channel") || !strings.HasSuffix(text, "from where to begin.") || !strings.Contains(text, "\n") {
		t.Errorf("the tokens are %q together", text)
	}
	if got, want := got.Sent[total], (abi.Event{Data: `{"complete":true,"total":80}`, Name: "done"}); got != want {
		t.Errorf("ends with %+v, want %+v", got, want)
	}
	if got.Took != total*10*time.Millisecond {
		t.Errorf("took %v, want 10ms for each token", got.Took)
	}
}

func TestStopsWhenTheViewerLeaves(t *testing.T) {
	got := (&guesttest.Host{Leave: 45 * time.Millisecond}).Stream(t, onStream)
	if len(got.Sent) != 5 || got.Code != 0 || len(got.Log) > 0 {
		t.Errorf("sent %d events with code %d, log %v, want 5, 0 and none", len(got.Sent), got.Code, got.Log)
	}
}

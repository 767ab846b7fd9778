package sourcetest

import (
	"cmp"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/abi"
)

const (
	maxEvents   = 100_000
	maxBigBytes = 16 << 20
)

// ByURL is the reply that a request's URL asks for. The path says what is streamed:
//
//	/plain                  events with ids
//	/lines                  lines of JSON
//	/v1/chat/completions    OpenAI's chat
//	/v1/responses           OpenAI's responses
//	/v1/messages            Anthropic's messages
//	/v2/stream/recentchange Wikimedia's recent changes
//	/quotes                 prices of stocks
//	/monitoring             metrics, alerts and heartbeats
//	/github                 GitHub's pushes
//
// and the query how:
//
//	n=50             so many events, of those without an end
//	resume           after the request's Last-Event-ID
//	cut=100          the connection breaks off after so many bytes; cut=rune: inside of a character
//	stall=100        it goes silent after so many bytes
//	trickle=7        so many bytes are written at once
//	pause=20         milliseconds between two writes
//	late=20          milliseconds before the headers
//	status=429       another status
//	retryAfter=3     with Retry-After in seconds
//	retryDate=3      with Retry-After as the date in so many seconds
//	error=3          an error event, then the end, after so many events
//	big=1048576      first an event with so many bytes of data
//	endless          a line that never ends, after the events
//	encoding=gzip    compressed; or zstd, br
//	redirect=URL     sent there, with status 307 or the one asked for
func ByURL(r Request) Reply {
	u, err := url.Parse(r.URL)
	if err != nil {
		return Reply{Status: http.StatusBadRequest}
	}
	q := u.Query()
	if to := q.Get("redirect"); to != "" {
		return Reply{Status: number(q, "status", http.StatusTemporaryRedirect), Header: map[string]string{"Location": to}}
	}
	if q.Has("status") {
		return refusal(q)
	}
	reply := Reply{
		Encoding: q.Get("encoding"), Late: millis(q, "late"),
		Trickle: number(q, "trickle", 0), Pause: millis(q, "pause"),
	}
	reply.Body, reply.Header = content(u.Path, q, r.LastEventID)
	if reply.Body == nil {
		return Reply{Status: http.StatusNotFound, Header: map[string]string{"Content-Type": "text/plain"}, Body: []byte("no such stream\n")}
	}
	if q.Has("endless") {
		reply.Body = append(reply.Body, "data: "...)
		reply.Endless = 'x'
	}
	if q.Get("cut") == "rune" {
		reply.Cut = new(CutInRune(reply.Body))
	} else if q.Has("cut") {
		reply.Cut = new(number(q, "cut", 0))
	}
	if q.Has("stall") {
		reply.Stall = new(number(q, "stall", 0))
	}
	return reply
}

// content returns the body for a path; nil if there is none.
func content(path string, q url.Values, lastID string) ([]byte, map[string]string) {
	n := min(number(q, "n", 50), maxEvents)
	var events []abi.Event
	switch path {
	case "/lines":
		return Lines(n), map[string]string{"Content-Type": "application/x-ndjson"}
	case "/plain":
		events = Plain(n)
	case "/v1/chat/completions":
		events = OpenAIChat(Answer)
	case "/v1/responses":
		events = OpenAIResponses(Answer)
	case "/v1/messages":
		events = Anthropic(Answer)
	case "/v2/stream/recentchange":
		events = Wikimedia(n)
	case "/quotes":
		events = Quotes(n)
	case "/monitoring":
		events = Monitoring(n)
	case "/github":
		events = GitHub(n)
	default:
		return nil, nil
	}
	if q.Has("error") {
		events = append(events[:min(number(q, "error", 0), len(events))], Overloaded)
	}
	if q.Has("big") {
		big := abi.Event{Data: strings.Repeat("x", min(number(q, "big", 0), maxBigBytes))}
		events = append([]abi.Event{big}, events...)
	}
	if q.Has("resume") {
		events = After(events, lastID)
	}
	return append([]byte(":stand-in\n\n"), Stream(events)...), nil
}

func refusal(q url.Values) Reply {
	reply := Reply{
		Status: number(q, "status", http.StatusInternalServerError),
		Header: map[string]string{"Content-Type": "application/json"},
		Body:   []byte(`{"error":{"message":"the stand-in was told to refuse"}}`),
	}
	switch {
	case q.Has("retryAfter"):
		reply.Header["Retry-After"] = q.Get("retryAfter")
	case q.Has("retryDate"):
		at := time.Now().Add(time.Duration(number(q, "retryDate", 0)) * time.Second)
		reply.Header["Retry-After"] = at.UTC().Format(http.TimeFormat)
	}
	if reply.Status == http.StatusNoContent || reply.Status == http.StatusNotModified {
		reply.Body = nil
	}
	return reply
}

// number returns a value of the query that is 0 or more, else otherwise.
func number(q url.Values, name string, otherwise int) int {
	n, err := strconv.Atoi(cmp.Or(q.Get(name), "-1"))
	if err != nil || n < 0 {
		return otherwise
	}
	return n
}

func millis(q url.Values, name string) time.Duration {
	return time.Duration(min(number(q, name, 0), 3_600_000)) * time.Millisecond
}

package sourcetest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/sse"
)

// Answer is the text that the AI shapes stream.
const Answer = "A river remembers every stone — it only says so quietly. Ask it again in spring. 🌊"

// Stream is events on the wire.
func Stream(events []abi.Event) []byte {
	var b []byte
	for i := range events {
		b = sse.AppendEvent(b, &events[i])
	}
	return b
}

// After returns the events that come after the one with the id, as a remote does that honours
// Last-Event-ID: all of them if no event has it.
func After(events []abi.Event, id string) []abi.Event {
	for i := range events {
		if id != "" && events[i].ID == id {
			return events[i+1:]
		}
	}
	return events
}

// Plain is n events with ids from 1 on.
func Plain(n int) []abi.Event {
	events := make([]abi.Event, n)
	for i := range events {
		id := strconv.Itoa(i + 1)
		events[i] = abi.Event{Data: "event " + id, Name: "tick", ID: id}
	}
	return events
}

// Lines is n lines of JSON, for a stream that is no event stream.
func Lines(n int) []byte {
	var b []byte
	for i := range n {
		b = fmt.Appendf(b, "{\"n\":%d}\n", i+1)
	}
	return b
}

// OpenAIChat streams text as chat completions do: nameless events, the usage in the last chunk, then
// [DONE].
func OpenAIChat(text string) []abi.Event {
	chunk := func(choices string, more string) abi.Event {
		return abi.Event{Data: `{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"stand-in","choices":` + choices + more + `}`}
	}
	events := []abi.Event{chunk(`[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]`, "")}
	words := tokens(text)
	for _, word := range words {
		events = append(events, chunk(`[{"index":0,"delta":{"content":`+quoted(word)+`},"finish_reason":null}]`, ""))
	}
	usage := fmt.Sprintf(`,"usage":{"prompt_tokens":9,"completion_tokens":%d,"total_tokens":%d}`, len(words), 9+len(words))
	return append(events, chunk(`[{"index":0,"delta":{},"finish_reason":"stop"}]`, ""), chunk(`[]`, usage), abi.Event{Data: "[DONE]"})
}

// OpenAIResponses streams text as responses do: named events with a sequence number, and
// response.completed at the end.
func OpenAIResponses(text string) []abi.Event {
	var events []abi.Event
	add := func(name, fields string) {
		data := fmt.Sprintf(`{"type":%q,"sequence_number":%d,%s}`, name, len(events), fields)
		events = append(events, abi.Event{Name: name, Data: data})
	}
	add("response.created", `"response":{"id":"resp_1","status":"in_progress"}`)
	words := tokens(text)
	for _, word := range words {
		add("response.output_text.delta", `"item_id":"msg_1","output_index":0,"content_index":0,"delta":`+quoted(word))
	}
	add("response.output_text.done", `"item_id":"msg_1","output_index":0,"content_index":0,"text":`+quoted(text))
	add("response.completed", fmt.Sprintf(`"response":{"id":"resp_1","status":"completed","usage":{"input_tokens":9,"output_tokens":%d}}`, len(words)))
	return events
}

// Anthropic streams text as messages do: named events, a ping, the usage so far in message_delta,
// and message_stop at the end.
func Anthropic(text string) []abi.Event {
	var events []abi.Event
	add := func(name, fields string) {
		events = append(events, abi.Event{Name: name, Data: `{"type":"` + name + `"` + fields + `}`})
	}
	add("message_start", `,"message":{"id":"msg_1","type":"message","role":"assistant","content":[],"model":"stand-in","usage":{"input_tokens":9,"output_tokens":1}}`)
	add("content_block_start", `,"index":0,"content_block":{"type":"text","text":""}`)
	add("ping", "")
	words := tokens(text)
	for _, word := range words {
		add("content_block_delta", `,"index":0,"delta":{"type":"text_delta","text":`+quoted(word)+`}`)
	}
	add("content_block_stop", `,"index":0`)
	add("message_delta", fmt.Sprintf(`,"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":%d}`, len(words)))
	add("message_stop", "")
	return events
}

// Overloaded is Anthropic's error in the middle of a stream.
var Overloaded = abi.Event{Name: "error", Data: `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`}

// Wikimedia is n recent changes, with ids that are documents of their own.
func Wikimedia(n int) []abi.Event {
	titles := []string{"Mill", "Weir", "Wasserrad", "Écluse", "水車"}
	events := make([]abi.Event, n)
	for i := range events {
		at := time.Unix(1700000000+int64(i), 0)
		title := titles[i%len(titles)]
		events[i] = abi.Event{
			Name: "message",
			ID:   fmt.Sprintf(`[{"topic":"eqiad.mediawiki.recentchange","partition":0,"timestamp":%d},{"topic":"codfw.mediawiki.recentchange","partition":0,"offset":-1}]`, at.UnixMilli()),
			Data: fmt.Sprintf(`{"$schema":"/mediawiki/recentchange/1.0.0","meta":{"domain":"en.wikipedia.org","stream":"mediawiki.recentchange","dt":%q},"id":%d,"type":"edit","namespace":0,"title":%s,"user":"Miller","bot":%t,"wiki":"enwiki"}`,
				at.UTC().Format(time.RFC3339), i+1, quoted(title), i%3 == 0),
		}
	}
	return events
}

// tokens cuts text before each space, as tokens often are.
func tokens(text string) []string {
	var all []string
	for i, word := range strings.Split(text, " ") {
		if i > 0 {
			word = " " + word
		}
		all = append(all, word)
	}
	return all
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always has a JSON form
	}
	return string(b)
}

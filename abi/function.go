package abi

import "strings"

// Callback names: the exports that Millrace calls, each () -> i32.
const (
	OnStream       = "onStream"
	OnEvent        = "onEvent"
	OnRequestStart = "onRequestStart"
	OnChunk        = "onChunk"
	OnComplete     = "onComplete"
	OnError        = "onError"
)

// Callbacks lists the callback names; a plugin exports at least one.
var Callbacks = []string{OnStream, OnEvent, OnRequestStart, OnChunk, OnComplete, OnError}

// What onEvent returns: its sends stand in the event's place, or the event follows them unchanged.
const (
	EventDrop int32 = 0
	EventPass int32 = 1
)

// What onError returns. More is the time to wait before the next attempt, in milliseconds.
const (
	RetryDecide int32 = 0 // the source's retry policy decides
	RetryStop   int32 = 1 // the source stops
)

// Initialize is the export that runs once, when the plugin is prepared.
const Initialize = "_initialize"

// Memory is the export that holds the plugin's linear memory.
const Memory = "memory"

// Function is the signature of one host function. Params has a letter for each parameter: i for
// i32, l for i64. A function whose Result is 0 has none.
type Function struct {
	Name   string
	Params string
	Result byte
}

// String is the function as one reads it in a module's text: send(i32, i32) -> i32.
func (f Function) String() string {
	var b strings.Builder
	b.WriteString(f.Name + "(")
	for i := range len(f.Params) {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(typeName(f.Params[i]))
	}
	b.WriteString(")")
	if f.Result != 0 {
		b.WriteString(" -> " + typeName(f.Result))
	}
	return b.String()
}

func typeName(c byte) string {
	if c == 'l' {
		return "i64"
	}
	return "i32"
}

// Functions lists the host functions of Module. A string or byte range is two i32, its address and
// its length; a buffer to fill is two i32, its address and its capacity.
var Functions = []Function{
	{"send", "iiiiii", 'i'},      // data, event, id
	{"comment", "ii", 'i'},       // text
	{"close", "", 'i'},           //
	{"isClosed", "", 'i'},        //
	{"sleep", "l", 'i'},          // milliseconds
	{"receive", "iiil", 'i'},     // handle, buffer, timeout in milliseconds
	{"request", "ii", 'i'},       // buffer
	{"body", "ii", 'i'},          // buffer
	{"response", "iii", 'i'},     // handle, buffer
	{"publish", "iiiiiiii", 'i'}, // subject, data, event, id
	{"open", "ii", 'i'},          // request document
	{"end", "i", 'i'},            // handle
	{"kvGet", "iiii", 'i'},       // key, buffer
	{"kvPut", "iiiil", 'i'},      // key, value, time to live in milliseconds
	{"kvDelete", "ii", 'i'},      // key
	{"log", "iii", 'i'},          // level, text
	{"now", "", 'l'},             // Unix time in milliseconds
	{"random", "ii", 'i'},        // buffer
}

// Log levels of the log function.
const (
	LogDebug int32 = iota
	LogInfo
	LogWarn
	LogError
)

// Command guest is a module from Go's compiler, for tests and benchmarks of rewriting.
package main

import (
	"bytes"
	"encoding/json"
	"strings"
)

var in = []byte(`{"id":17,"name":"a stream","tags":["x","y","z"],"price":12.5,"nested":{"ok":true,"text":"` +
	strings.Repeat("0123456789", 11) + `"}}`)

// event handles 200 bytes as a small callback does: it looks for a word and copies.
//
//go:wasmexport event
func event() int32 {
	if i := bytes.Index(in, []byte("nested")); i > 0 {
		return int32(copy(out, in[i:]))
	}
	return -1
}

var out = make([]byte, 1024)

// document reads and writes JSON n times.
//
//go:wasmexport document
func document(n int32) int32 {
	size := 0
	for range n {
		var v map[string]any
		if json.Unmarshal(in, &v) != nil {
			return -1
		}
		b, err := json.Marshal(v)
		if err != nil {
			return -1
		}
		size = len(b)
	}
	return int32(size)
}

// deep calls itself n times.
//
//go:wasmexport deep
func deep(n int32) int32 {
	if n == 0 {
		return 0
	}
	return deep(n-1) + 1
}

func main() {}

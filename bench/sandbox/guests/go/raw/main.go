//go:build wasip1

// Raw is an event callback without the SDK, written to allocate nothing: it sends the data it
// receives in upper case.
package main

import "unsafe"

//go:wasmimport millrace_v1 receive
func receive(handle int32, buffer unsafe.Pointer, capacity uint32, timeout int64) int32

//go:wasmimport millrace_v1 send
func send(data unsafe.Pointer, length uint32, event unsafe.Pointer, eventLength uint32, id unsafe.Pointer, idLength uint32) int32

const header = 40

var buffer [64 << 10]byte

//go:wasmexport onEvent
func onEvent() int32 {
	n := receive(0, unsafe.Pointer(&buffer), uint32(len(buffer)), 0)
	if n < header {
		return n
	}
	data := buffer[header:n]
	for i, c := range data {
		if 'a' <= c && c <= 'z' {
			data[i] = c - ('a' - 'A')
		}
	}
	return send(unsafe.Pointer(&data[0]), uint32(len(data)), nil, 0, nil, 0)
}

func main() {}

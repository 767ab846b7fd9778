// Package guest is the Go SDK for plugins. A plugin is a main package that exports its callbacks:
//
//	package main
//
//	import "github.com/millrace/millrace/abi/guest"
//
//	//go:wasmexport onStream
//	func onStream() int32 {
//		return guest.OnStream(func(e *guest.Emitter) error {
//			return e.Send("Hello from server!")
//		})
//	}
//
//	func main() {}
//
// and is compiled by the ordinary toolchain:
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags="-s -w" -o hello.wasm .
//
// The go:wasmexport line names the callback, so a module exports those that it has and no others.
// Routes call OnStream and OnEvent, sources OnRequestStart, OnChunk, OnEvent, OnComplete and OnError.
// main is never called; package variables and init functions are set up once, when the plugin is
// prepared. A panic ends the callback as a trap, after Go has written it to the plugin's log.
//
// On other platforms the callbacks are ordinary functions, which package guesttest calls. The SDK
// knows the functions that cross the sandbox wall and nothing of what is behind it.
package guest

import (
	"errors"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest/internal/imports"
)

// OnStream runs f for one viewer and returns what the export onStream returns. The stream ends when
// f returns. An error that is abi.Closed is an orderly end, since the viewer has left; any other is
// logged and ends the callback with its status.
//
// The streams of a plugin share nothing: each has an instance of its own. But instances begin as
// copies of one that has been set up, so that math/rand gives each of them the same numbers: use
// Emitter.Random or crypto/rand.
func OnStream(f func(e *Emitter) error) int32 {
	return result(f(&current))
}

// Verdict says what becomes of the event that an OnEvent function was given.
type Verdict int32

const (
	Drop = Verdict(abi.EventDrop) // it goes no further; what was sent, if anything, stands in its place
	Pass = Verdict(abi.EventPass) // it goes on unchanged, after what was sent
)

// OnEvent runs f for the event at hand, of a route or a source, and returns what the export onEvent
// returns. An error is logged and leaves the event to the route's or source's onError. f must not
// block: Sleep and Comment answer abi.Unavailable. One instance serves many events, of different
// viewers even. To viewers what it sends goes out under ids that lead back to the event; an id that
// it gives is not used.
func OnEvent(f func(e *Emitter, ev abi.Event) (Verdict, error)) int32 {
	e := &current
	ev, err := e.Receive(0)
	if err != nil {
		return result(err)
	}
	v, err := f(e, ev)
	if err != nil {
		return result(err)
	}
	return int32(v)
}

// result is what a callback returns for err: 0 for none and for abi.Closed, else a negative status.
func result(err error) int32 {
	if err == nil || errors.Is(err, abi.Closed) {
		return int32(abi.OK)
	}
	imports.Log(abi.LogError, err.Error())
	if s := abi.StatusOf(err); s < 0 {
		return int32(s)
	}
	return int32(abi.Unavailable)
}

// check makes an error of the result of a host function.
func check(result int32) error {
	if result < 0 {
		return abi.Status(result)
	}
	return nil
}

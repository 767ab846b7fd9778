package main

import (
	"errors"
	"unsafe"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
)

// The functions of remote streams, which the SDK does not have yet.

//go:wasmimport millrace_v1 open
func open(request string) int32

//go:wasmimport millrace_v1 response
func response(handle int32, buf unsafe.Pointer, size uint32) int32

//go:wasmimport millrace_v1 end
func end(handle int32) int32

func sources(e *guest.Emitter) error {
	return errors.Join(
		e.Send("open: "+abi.Status(open("{}")).Error()),
		e.Send("response: "+abi.Status(response(1, nil, 0)).Error()),
		e.Send("end: "+abi.Status(end(1)).Error()),
	)
}

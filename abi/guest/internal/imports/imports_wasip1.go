package imports

import "unsafe"

// A string parameter crosses as its address and its length. The host copies what it reads before
// it returns, so nothing has to be kept alive here.

//go:wasmimport millrace_v1 send
func Send(data, name, id string) int32

//go:wasmimport millrace_v1 comment
func Comment(text string) int32

//go:wasmimport millrace_v1 close
func Close() int32

//go:wasmimport millrace_v1 isClosed
func IsClosed() int32

//go:wasmimport millrace_v1 sleep
func Sleep(ms int64) int32

//go:wasmimport millrace_v1 publish
func Publish(subject, data, name, id string) int32

//go:wasmimport millrace_v1 open
func Open(request string) int32

//go:wasmimport millrace_v1 end
func End(handle int32) int32

//go:wasmimport millrace_v1 kvPut
func KVPut(key, value string, ttlMS int64) int32

//go:wasmimport millrace_v1 kvDelete
func KVDelete(key string) int32

//go:wasmimport millrace_v1 log
func Log(level int32, text string) int32

//go:wasmimport millrace_v1 now
func Now() int64

// Receive asks for the next event record of a handle; a negative timeout waits without end.
func Receive(handle int32, buf []byte, timeoutMS int64) int32 {
	return receive(handle, unsafe.Pointer(unsafe.SliceData(buf)), uint32(len(buf)), timeoutMS)
}

// Request asks for the request's JSON.
func Request(buf []byte) int32 {
	return request(unsafe.Pointer(unsafe.SliceData(buf)), uint32(len(buf)))
}

// Body asks for the request's body.
func Body(buf []byte) int32 {
	return body(unsafe.Pointer(unsafe.SliceData(buf)), uint32(len(buf)))
}

// Response asks for the JSON of a handle's HTTP side.
func Response(handle int32, buf []byte) int32 {
	return response(handle, unsafe.Pointer(unsafe.SliceData(buf)), uint32(len(buf)))
}

// KVGet asks for the value of a key.
func KVGet(key string, buf []byte) int32 {
	return kvGet(key, unsafe.Pointer(unsafe.SliceData(buf)), uint32(len(buf)))
}

// Random fills buf with random bytes.
func Random(buf []byte) int32 {
	return random(unsafe.Pointer(unsafe.SliceData(buf)), uint32(len(buf)))
}

//go:wasmimport millrace_v1 receive
func receive(handle int32, buf unsafe.Pointer, size uint32, timeoutMS int64) int32

//go:wasmimport millrace_v1 request
func request(buf unsafe.Pointer, size uint32) int32

//go:wasmimport millrace_v1 body
func body(buf unsafe.Pointer, size uint32) int32

//go:wasmimport millrace_v1 response
func response(handle int32, buf unsafe.Pointer, size uint32) int32

//go:wasmimport millrace_v1 kvGet
func kvGet(key string, buf unsafe.Pointer, size uint32) int32

//go:wasmimport millrace_v1 random
func random(buf unsafe.Pointer, size uint32) int32

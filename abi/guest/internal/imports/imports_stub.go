//go:build !wasip1

package imports

import "sync"

// Host is what stands in for Millrace on other platforms than wasip1; its methods are the functions
// of this package.
type Host interface {
	Send(data, name, id string) int32
	Comment(text string) int32
	Close() int32
	IsClosed() int32
	Sleep(ms int64) int32
	Receive(handle int32, buf []byte, timeoutMS int64) int32
	Request(buf []byte) int32
	Body(buf []byte) int32
	Response(handle int32, buf []byte) int32
	Publish(subject, data, name, id string) int32
	Open(request string) int32
	End(handle int32) int32
	KVGet(key string, buf []byte) int32
	KVPut(key, value string, ttlMS int64) int32
	KVDelete(key string) int32
	Log(level int32, text string) int32
	Now() int64
	Random(buf []byte) int32
}

// A callback is a function without parameters, so its host is ambient, in wasm and here. The lock
// lets parallel tests take turns.
var (
	inUse   sync.Mutex
	current Host
)

// Use makes h the host until release is called. A second call waits for that.
func Use(h Host) (release func()) {
	inUse.Lock()
	current = h
	return func() {
		current = nil
		inUse.Unlock()
	}
}

func host() Host {
	if current == nil {
		panic("a callback runs in Millrace, or in a test under guesttest")
	}
	return current
}

func Send(data, name, id string) int32 { return host().Send(data, name, id) }

func Comment(text string) int32 { return host().Comment(text) }

func Close() int32 { return host().Close() }

func IsClosed() int32 { return host().IsClosed() }

func Sleep(ms int64) int32 { return host().Sleep(ms) }

func Receive(handle int32, buf []byte, timeoutMS int64) int32 {
	return host().Receive(handle, buf, timeoutMS)
}

func Request(buf []byte) int32 { return host().Request(buf) }

func Body(buf []byte) int32 { return host().Body(buf) }

func Publish(subject, data, name, id string) int32 { return host().Publish(subject, data, name, id) }

func Response(handle int32, buf []byte) int32 { return host().Response(handle, buf) }

func Open(request string) int32 { return host().Open(request) }

func End(handle int32) int32 { return host().End(handle) }

func KVGet(key string, buf []byte) int32 { return host().KVGet(key, buf) }

func KVPut(key, value string, ttlMS int64) int32 { return host().KVPut(key, value, ttlMS) }

func KVDelete(key string) int32 { return host().KVDelete(key) }

func Log(level int32, text string) int32 { return host().Log(level, text) }

func Now() int64 { return host().Now() }

func Random(buf []byte) int32 { return host().Random(buf) }

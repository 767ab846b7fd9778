// Gopher is a plugin made by the Go toolchain alone, without an SDK. The request's body says what
// it does.
package main

import (
	"fmt"
	"os"
	"strings"
	"time"
	"unsafe"
)

//go:wasmimport millrace_v1 send
func send(data, event, id string) int32

//go:wasmimport millrace_v1 isClosed
func isClosed() int32

//go:wasmimport millrace_v1 close
func closeStream() int32

//go:wasmimport millrace_v1 sleep
func sleep(ms int64) int32

//go:wasmimport millrace_v1 receive
func receive(handle int32, buf unsafe.Pointer, size uint32, timeout int64) int32

//go:wasmimport millrace_v1 body
func body(buf unsafe.Pointer, size uint32) int32

//go:wasmimport millrace_v1 publish
func publish(subject, data, event, id string) int32

//go:wasmimport millrace_v1 now
func now() int64

//go:wasmimport millrace_v1 random
func random(buf unsafe.Pointer, size uint32) int32

var (
	buffer [64 << 10]byte
	runs   int
	kept   [][]byte
)

//go:wasmexport onStream
func onStream() int32 {
	n := body(unsafe.Pointer(&buffer), uint32(len(buffer)))
	switch what := string(buffer[:n]); what {
	case "hello":
		return send("hello", "", "")
	case "time.Sleep":
		send("sleeps", "", "")
		for isClosed() == 0 {
			time.Sleep(time.Hour)
		}
		send("never sent", "", "")
		return -100
	case "goroutines sleep":
		woke := make(chan int)
		for i := range 10 {
			go func() {
				time.Sleep(time.Duration(i+1) * time.Hour)
				woke <- i
			}()
		}
		send("sleeps", "", "")
		for i := range 10 {
			if got := <-woke; got != i {
				return -int32(got) - 1
			}
		}
		return 0
	case "ticker":
		send("ticks", "", "")
		for range time.Tick(time.Millisecond) {
			if isClosed() == 1 {
				return 0
			}
		}
	case "sleeps on":
		send("sleeps", "", "")
		for {
			time.Sleep(time.Hour)
			publish("slept", "", "", "")
		}
	case "sleep":
		send("sleeps", "", "")
		return sleep(3600_000)
	case "receive":
		send("receives", "", "")
		return receive(0, unsafe.Pointer(&buffer), uint32(len(buffer)), -1)
	case "panic":
		panic("at the end of my rope")
	case "print":
		fmt.Println("to stdout")
		fmt.Fprintln(os.Stderr, "to stderr")
		fmt.Print("unfinished")
	case "exit":
		os.Exit(7)
	case "memory":
		for {
			kept = append(kept, make([]byte, 1<<20))
		}
	case "nap":
		before, at := time.Now(), now()
		time.Sleep(20 * time.Millisecond)
		if time.Since(before) < 20*time.Millisecond || now()-at < 19 {
			return -1
		}
	case "surroundings":
		if len(os.Args) > 1 || len(os.Environ()) > 0 {
			return -1
		}
		if _, err := os.ReadDir("/"); err == nil {
			return -2
		}
		if err := os.WriteFile("x", nil, 0o600); err == nil {
			return -3
		}
		if off := time.Now().UnixMilli() - now(); off < -1000 || off > 1000 {
			return -4
		}
		var one, other [16]byte
		if random(unsafe.Pointer(&one), 16) != 0 || random(unsafe.Pointer(&other), 16) != 0 || one == other {
			return -5
		}
		return send(fmt.Sprintf("%x", one), "", "")
	}
	return 0
}

//go:wasmexport onEvent
func onEvent() int32 {
	n := receive(0, unsafe.Pointer(&buffer), uint32(len(buffer)), 0)
	data := string(buffer[40:n])
	switch data {
	case "panic":
		panic("no such event")
	case "sleep":
		time.Sleep(time.Hour)
	case "count":
		runs++
		send(fmt.Sprint(runs), "", "")
		return 0
	case "close":
		closeStream()
		return 1
	case "error":
		return -100
	}
	send(strings.ToUpper(data), "", "")
	return 0
}

func main() {}

//go:build linux

// Command epoll comes close to what the kernel allows: one stream, raw sockets, and no goroutine and
// sixteen bytes of state for a viewer. Events are encoded once, with the framing of HTTP, into one
// ring of bytes. A viewer is a position in it, so that one write carries all that the viewer lacks.
//
//	GET  /   the stream, after Last-Event-ID where given
//	POST /   the body becomes an event, and the answer is its id
//
// It checks nothing and bounds nothing that a server would have to.
package main

import (
	"flag"
	"log"
)

func main() {
	address := flag.String("addr", "127.0.0.1:9108", "address to listen on")
	flag.Parse()
	s, err := newServer(*address)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(s.run())
}

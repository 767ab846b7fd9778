// Command grip is the backend that Pushpin wants: it has each request held open as a stream of one
// channel.
package main

import (
	"flag"
	"log"
	"net/http"
)

func main() {
	address := flag.String("addr", "127.0.0.1:9110", "address to listen on")
	flag.Parse()
	log.Fatal(http.ListenAndServe(*address, http.HandlerFunc(hold)))
}

// hold answers with the headers of GRIP, which Pushpin's documentation describes.
func hold(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Grip-Hold", "stream")
	w.Header().Set("Grip-Channel", "bench")
	w.WriteHeader(http.StatusOK)
}

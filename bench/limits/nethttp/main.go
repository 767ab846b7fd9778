// Command nethttp is the least that an event server on net/http can be: one stream, a goroutine for
// each viewer, and a log in memory. What it costs is what net/http costs.
//
//	GET  /   the stream, after Last-Event-ID where given
//	POST /   the body becomes an event, and the answer is its id
package main

import (
	"flag"
	"io"
	"log"
	"net/http"
	"strconv"
)

func main() {
	address := flag.String("addr", "127.0.0.1:9107", "address to listen on")
	flag.Parse()
	log.Fatal(http.ListenAndServe(*address, handler()))
}

func handler() http.Handler {
	h := newHub()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", h.stream)
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_, _ = io.WriteString(w, strconv.FormatUint(h.publish(body), 10))
	})
	return mux
}

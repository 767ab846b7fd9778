// Command jetstream is the least that storing events over HTTP can cost with the embedded NATS server:
// net/http, one publish into a stream in a file, its acknowledgement. The stream is set up as a tenant's
// history is.
//
//	POST /   the body is stored, and the answer is its number
//
// It checks nothing, knows one stream, and has no viewers.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func main() {
	address := flag.String("addr", "127.0.0.1:9109", "address to listen on")
	data := flag.String("data", "", "folder of the stream's files")
	flag.Parse()
	h, _, err := open(*data)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe(*address, h))
}

// open starts the embedded server on a folder. stop ends it.
func open(folder string) (h http.Handler, stop func(), err error) {
	s, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, JetStream: true, StoreDir: folder})
	if err != nil {
		return nil, nil, fmt.Errorf("embedded server: %w", err)
	}
	s.Start()
	js, err := connect(s)
	if err != nil {
		end(s, nil)
		return nil, nil, err
	}
	return handler(js), func() { end(s, js.Conn()) }, nil
}

func end(s *server.Server, nc *nats.Conn) {
	if nc != nil {
		nc.Close()
	}
	s.Shutdown()
	s.WaitForShutdown()
}

// connect waits for the server and makes the stream.
func connect(s *server.Server) (jetstream.JetStream, error) {
	if !s.ReadyForConnections(30 * time.Second) {
		return nil, errors.New("embedded server: not ready after 30 s")
	}
	nc, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	js, err := jetstream.New(nc)
	if err == nil {
		err = createHistory(js)
	}
	if err != nil {
		nc.Close()
		return nil, err
	}
	return js, nil
}

func createHistory(js jetstream.JetStream) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_, err := js.CreateStream(ctx, jetstream.StreamConfig{
		Name: "EV", Subjects: []string{"ev.>"}, Storage: jetstream.FileStorage,
		MaxAge: 24 * time.Hour, MaxBytes: 1 << 30, Discard: jetstream.DiscardOld,
		Duplicates: 2 * time.Minute, AllowDirect: true, AllowAtomicPublish: true,
		RePublish: &jetstream.RePublish{Source: "ev.>", Destination: "live.>"},
	})
	if err != nil {
		return fmt.Errorf("create stream: %w", err)
	}
	return nil
}

func handler(js jetstream.JetStream) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		ack, err := js.Publish(r.Context(), "ev.bench", body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, strconv.FormatUint(ack.Sequence, 10))
	})
	return mux
}

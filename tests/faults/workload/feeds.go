package workload

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/sse"
	"github.com/millrace/millrace/tests/faults/checker"
)

// feeds are remotes that number their events, one each pause, from the moment they start. They send
// what follows a client's Last-Event-ID, and break off now and then.
type feeds struct {
	count  int
	pause  time.Duration
	begin  time.Time
	url    string
	server *http.Server
	wg     sync.WaitGroup

	frozen atomic.Int64 // once it is over, how many events each has; 0 before
}

func startFeeds(count int, pause time.Duration) (*feeds, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("remotes: %w", err)
	}
	f := &feeds{count: count, pause: max(pause, time.Millisecond), begin: time.Now(), url: "http://" + l.Addr().String()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{feed}", f.serve)
	f.server = &http.Server{Handler: mux}
	f.wg.Go(func() { f.server.Serve(l) }) // ends with close only
	return f, nil
}

func (f *feeds) close() {
	f.server.Close()
	f.wg.Wait()
}

// freeze ends the remotes' numbers. Their streams stay open.
func (f *feeds) freeze() { f.frozen.Store(max(int64(f.length()), 1)) }

// length is how many events each remote has by now.
func (f *feeds) length() int {
	if n := f.frozen.Load(); n > 0 {
		return int(n)
	}
	return int(time.Since(f.begin) / f.pause)
}

// due is when a remote has had an event of a number.
func (f *feeds) due(number int) time.Time { return f.begin.Add(time.Duration(number+1) * f.pause) }

// sent is what all remotes have. The ids that the events get are not known here.
func (f *feeds) sent() (events []checker.Event) {
	for source := range f.count {
		for n := range f.length() {
			events = append(events, checker.Event{Subject: feedSubject(source), Number: n})
		}
	}
	return events
}

// serve streams one remote's events from behind the client's last id.
func (f *feeds) serve(w http.ResponseWriter, r *http.Request) {
	source, err := strconv.Atoi(r.PathValue("feed"))
	if err != nil || source >= f.count {
		http.NotFound(w, r)
		return
	}
	next := 0
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		if next, err = strconv.Atoi(id); err != nil {
			http.Error(w, "an id that was never sent", http.StatusBadRequest)
			return
		}
		next++
	}
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w)
	for until := next + 50 + rand.IntN(500); ; {
		for ; next < f.length(); next++ {
			if next == until {
				panic(http.ErrAbortHandler) // net/http then breaks the connection off
			}
			e := abi.Event{ID: strconv.Itoa(next), Data: string(encode(feedSubject(source), next))}
			if _, err := w.Write(sse.AppendEvent(nil, &e)); err != nil {
				return
			}
		}
		if flush.Flush() != nil || !sleep(r.Context(), f.pause) {
			return
		}
	}
}

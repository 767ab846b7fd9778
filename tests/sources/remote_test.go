package sources

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/broker/source/sourcetest"
)

// remoteCommand makes this binary a remote. It prints its URL, and ends with its standard input.
const remoteCommand = "remote"

// serveRemote serves numbered streams. At /requests it tells which requests there were for those, and
// from a request to /hurry on it streams without pauses, to the end.
func serveRemote() error {
	var hurried atomic.Bool
	remote := sourcetest.New(func(_ int, r sourcetest.Request) sourcetest.Reply {
		if hurried.Load() {
			return numbered(r, 0)
		}
		reply := numbered(r, perConnection)
		reply.Trickle, reply.Pause = 100, time.Millisecond
		return reply
	})
	mux := http.NewServeMux()
	mux.Handle("/", remote)
	mux.HandleFunc("/hurry", func(http.ResponseWriter, *http.Request) { hurried.Store(true) })
	mux.HandleFunc("/requests", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(remote.Requests()) // a client that left needs none
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", l.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // until whoever started this is gone
		os.Exit(0)
	}()
	return http.Serve(l, mux)
}

// endMark is the data of the last event of a stream that is complete.
const endMark = "[DONE]"

// perConnection is how many events a connection to /resuming brings before the remote falls silent. So
// a stream is not over before as many connections were made as it takes, however fast the server is.
const perConnection = 2000

// numbered is a stream of the events 1 to n. At /resuming it honours Last-Event-ID, and is silent after
// most events, if that is not 0 and there are more; anywhere else it begins with the first each time.
func numbered(r sourcetest.Request, most int) sourcetest.Reply {
	path, query, _ := strings.Cut(r.URL, "?")
	n, _ := strconv.Atoi(strings.TrimPrefix(query, "n=")) // none is an empty stream
	events := sourcetest.Plain(n)
	if path == "/resuming" {
		events = sourcetest.After(events, r.LastEventID)
		if most > 0 && len(events) > most {
			body := sourcetest.Stream(events[:most])
			return sourcetest.Reply{Body: body, Stall: new(len(body))}
		}
	}
	return sourcetest.Reply{Body: append(sourcetest.Stream(events), "data: "+endMark+"\n\n"...)}
}

// remote is such a process.
type remote struct {
	t   *testing.T
	url string
}

func startRemote(t *testing.T) *remote {
	t.Helper()
	cmd := exec.Command(os.Args[0], remoteCommand)
	cmd.Stderr = t.Output()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait() // that it ends is enough
	})
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the remote does not start: %v", err)
	}
	return &remote{t, strings.TrimSpace(url)}
}

// hurry has the remote stream without pauses from the next request on.
func (r *remote) hurry() { r.get("/hurry") }

// requests are those for streams.
func (r *remote) requests() (requests []sourcetest.Request) {
	r.t.Helper()
	if err := json.Unmarshal(r.get("/requests"), &requests); err != nil {
		r.t.Fatal(err)
	}
	return requests
}

func (r *remote) get(path string) []byte {
	r.t.Helper()
	resp, err := http.Get(r.url + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return b
}

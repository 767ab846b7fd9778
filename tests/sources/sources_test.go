// Package sources tests what sources promise of the program as its users run it: that nothing is lost
// and nothing twice when it is killed at any instant, that what must not be repeated is not, and that
// a browser sees a remote's tokens as they come. The remote is a process of its own.
package sources

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/millrace/millrace/tests/program"
)

var long = flag.Bool("long", false, "kill the server 100 times")

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == remoteCommand {
		if err := serveRemote(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(program.Main(m))
}

// times is how often a server is killed: so often with -long, a tenth of that without, and less with
// -short.
func times(most int) int {
	switch {
	case *long:
		return most
	case testing.Short():
		return max(1, most/50)
	}
	return max(1, most/10)
}

// startAcme starts a server whose tenant acme may reach loopback.
func startAcme(t *testing.T) *program.Server {
	t.Helper()
	s := program.Start(t, "--allow-private-outbound", "--drain", "1s")
	s.Put("/v1/tenants/acme", map[string]any{"outbound": []string{"127.0.0.1"}})
	return s
}

// status is what a source tells of itself.
type status struct {
	State     string
	Stored    uint64
	LastError string
}

func statusOf(t *testing.T, s *program.Server, source string) status {
	t.Helper()
	var answer struct{ Status status }
	b := s.Must(http.MethodGet, "/v1/tenants/acme/sources/"+source, nil)
	if err := json.Unmarshal(b, &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Status
}

// within is how long a source may take to get anywhere; only a hang comes near it.
const within = 3 * time.Minute

// awaitStatus waits until a source's status is as wanted, and returns it.
func awaitStatus(t *testing.T, s *program.Server, source string, wanted func(status) bool) status {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		st := statusOf(t, s, source)
		if wanted(st) {
			return st
		}
		if time.Now().After(deadline) {
			t.Fatalf("source %s stays %+v", source, st)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// ended tells of a source that does nothing more.
func ended(s status) bool { return s.State == "done" || s.State == "failed" || s.State == "stopped" }

// history is the data of all events on a subject, up to an event that this publishes there.
func history(t *testing.T, s *program.Server, subject string) (data []string) {
	t.Helper()
	const end = "the end of history"
	if _, err := s.Publish(t.Context(), "acme", program.Event{Subject: subject, Data: end}); err != nil {
		t.Fatal(err)
	}
	stream := s.Open("/v1/tenants/acme/events?subject=" + subject + "&last_event_id=earliest")
	defer stream.Close()
	for {
		e := stream.Next()
		if e.Data == end {
			return data
		}
		if e.Name == "reset" {
			continue // the server begins a stream with it that starts at the earliest
		}
		data = append(data, e.Data)
	}
}

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// tailOf tails a server that answers its n-th connection with answer(n).
func tailOf(t *testing.T, asJSON bool, answer func(n int, w http.ResponseWriter)) (tl *tail, lastIDs *[]string, out *bytes.Buffer) {
	t.Helper()
	lastIDs, out = new([]string), new(bytes.Buffer)
	c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		*lastIDs = append(*lastIDs, r.Header.Get("Last-Event-ID")) // one connection at a time
		answer(len(*lastIDs), w)
	})
	return &tail{client: c, con: &console{out: out, err: io.Discard}, json: asJSON, base: time.Millisecond}, lastIDs, out
}

func TestTailGoesOnAfterTheLastEvent(t *testing.T) {
	tl, lastIDs, out := tailOf(t, false, func(n int, w http.ResponseWriter) {
		switch n {
		case 1:
			io.WriteString(w, "retry: 10\n\nid: e-3\n\nid: e-4\ndata: four\n\nid: e-5\ndata: never fin")
		case 2:
			http.Error(w, "", http.StatusServiceUnavailable)
		case 3:
			io.WriteString(w, ": idle\n\n") // nothing came
		case 4:
			io.WriteString(w, "id: e-5\ndata: five\ndata: lines\n\n")
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})
	if err := tl.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := "four\nfive\nlines\n"; out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
	if got, want := strings.Join(*lastIDs, ","), ",e-4,e-4,e-4,e-5"; got != want {
		t.Errorf("asked for events after %s, want %s", got, want)
	}
	if tl.base != 10*time.Millisecond {
		t.Errorf("waits %s first, want what the server asked for", tl.base)
	}
}

func TestTailEndsWhereAnotherTryIsUseless(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(n int, w http.ResponseWriter)
		want   string
	}{
		{"a refusal at the beginning", func(_ int, w http.ResponseWriter) { http.Error(w, "no", http.StatusForbidden) }, "no (status 403)"},
		{"a token that ended meanwhile", func(n int, w http.ResponseWriter) {
			if n > 1 {
				http.Error(w, "gone", http.StatusUnauthorized)
				return
			}
			io.WriteString(w, "data: x\n\n")
		}, "gone (status 401)"},
	} {
		tl, _, _ := tailOf(t, false, tt.answer)
		if err := tl.run(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestTailEndsWithItsOutput(t *testing.T) {
	tl, _, _ := tailOf(t, false, func(_ int, w http.ResponseWriter) { io.WriteString(w, "data: x\n\n") })
	tl.con.out = brokenPipe{}
	if err := tl.run(t.Context()); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("run = %v, want the output's error", err)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestTailPrintsWhatTheServerSaysOfTheStreamApart(t *testing.T) {
	var notes bytes.Buffer
	tl, _, out := tailOf(t, true, func(n int, w http.ResponseWriter) {
		if n > 1 {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		io.WriteString(w, "event: gap\ndata: e-9\n\nevent: quote\nid: e-10\ndata: {\"p\":1}\n\n")
		io.WriteString(w, "event: error\nid: e-11\ndata: somebody's\n\nevent: error\ndata: the server's\n\n")
	})
	tl.con.err = &notes
	if err := tl.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := `{"id":"e-10","event":"quote","data":"{\"p\":1}"}` + "\n" + `{"id":"e-11","event":"error","data":"somebody's"}` + "\n"; out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
	if said := notes.String(); !strings.Contains(said, "the oldest event left is e-9") || !strings.Contains(said, "error the server's") {
		t.Errorf("the gap and the end are not told: %q", said)
	}
}

func TestTailStopsWhenAskedTo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	tl, _, _ := tailOf(t, false, func(_ int, w http.ResponseWriter) {
		io.WriteString(w, "data: x\n\n")
		w.(http.Flusher).Flush()
		cancel()
	})
	if err := tl.run(ctx); err != nil {
		t.Errorf("run = %v, want nil", err)
	}
}

func TestTheWaitGrowsAndHasABound(t *testing.T) {
	tl := &tail{base: firstWait}
	for n := range 60 {
		want := min(firstWait<<min(n, 10), lastWait)
		if got := tl.wait(io.EOF); got < want/2 || got > want {
			t.Errorf("wait %d is %s, want %s to %s", n, got, want/2, want)
		}
	}
	if got := tl.wait(&problem{Status: 503, retryAfter: 5 * time.Second}); got != 5*time.Second {
		t.Errorf("wait after Retry-After: 5 is %s", got)
	}
}

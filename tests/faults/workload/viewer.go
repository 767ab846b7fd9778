package workload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/sse"
	"github.com/millrace/millrace/tests/faults/checker"
)

// defaultRetry is how long a viewer waits that was told no time, as browsers do.
const defaultRetry = 3 * time.Second

// viewer is an EventSource. It sends its last id, waits as long as the server said, and has no time
// limit of its own: a stream that goes silent without an end is silent for ever.
type viewer struct {
	w    *run
	url  int // of the run's
	path string

	seen   checker.Viewer
	lastID string
	retry  time.Duration

	ended   time.Time // when the last stream ended; zero before the first
	slowest time.Duration
	returns int

	last    time.Time // when the last event came
	silence time.Duration

	delivery Slowest // since the installation had an event and worked
	feed     Slowest // since a remote had an event
}

// newViewer makes the viewer of an index. Every tenth has all subjects, the others one of each kind.
func newViewer(w *run, index int) *viewer {
	v := &viewer{w: w, url: index, retry: defaultRetry, seen: checker.Viewer{Name: fmt.Sprint(index)}}
	if index%10 == 0 {
		v.path = allPath
		for i := range w.config.Publishers {
			v.seen.Subjects = append(v.seen.Subjects, loadSubject(i))
		}
		for i := range w.config.Sources {
			v.seen.Subjects = append(v.seen.Subjects, feedSubject(i))
		}
	} else {
		publisher, source := index%w.config.Publishers, index%max(w.config.Sources, 1)
		v.path = fmt.Sprintf("/one/%d/%d", publisher, source)
		v.seen.Subjects = []string{loadSubject(publisher), feedSubject(source)}
	}
	v.seen.Subjects = append(v.seen.Subjects, endSubject)
	return v
}

// run views until it has the last event of all, or the context ends.
func (v *viewer) run(ctx context.Context) {
	for {
		err := v.stream(ctx)
		if ctx.Err() != nil || err == errEnd {
			return
		}
		v.note(checker.Broken, err.Error())
		v.ended = time.Now()
		if !sleep(ctx, v.retry) {
			return
		}
		v.url++
	}
}

func (v *viewer) note(kind checker.StepKind, note string) {
	note = fmt.Sprintf("%s (at %s)", note, time.Now().UTC().Format("15:04:05.000"))
	v.seen.Steps = append(v.seen.Steps, checker.Step{Kind: kind, Note: note})
}

// errEnd says that the last event of all was received.
var errEnd = errors.New("all was received")

// stream opens one stream and reads it to its end.
func (v *viewer) stream(ctx context.Context) error {
	base := v.w.config.URLs[v.url%len(v.w.config.URLs)]
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/t/"+tenant+v.path+"?last_event_id=earliest", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	if v.lastID != "" {
		req.Header.Set("Last-Event-ID", v.lastID)
	}
	resp, err := v.w.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if typ := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || !strings.HasPrefix(typ, "text/event-stream") {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 500)) // whatever there is
		v.note(checker.Refused, fmt.Sprintf("by %s: %s, %s: %s", base, resp.Status, typ, b))
		return errors.New("refused")
	}
	v.note(checker.Connected, fmt.Sprintf("to %s after %q", base, v.lastID))
	if !v.ended.IsZero() {
		v.returns++
		v.slowest = max(v.slowest, time.Since(v.ended))
	}
	return v.read(resp.Body)
}

func (v *viewer) read(body io.Reader) error {
	reader := sse.NewReader(body, 0)
	for {
		e, err := reader.Next()
		if id := reader.LastEventID(); id != "" {
			v.lastID = id
		}
		if retry, ok := reader.Retry(); ok {
			v.retry = retry
		}
		if err != nil {
			return err
		}
		if err := v.received(e); err != nil {
			return err
		}
	}
}

func (v *viewer) received(e abi.Event) error {
	switch e.Name {
	case "gap", "reset", "error", "expired":
		v.note(checker.Told, e.Name+" "+e.Data)
		return nil
	}
	event, err := decode(e)
	if err != nil {
		v.note(checker.Told, err.Error())
		return nil
	}
	v.seen.Steps = append(v.seen.Steps, checker.Step{Event: event})
	now := time.Now()
	if !v.last.IsZero() {
		v.silence = max(v.silence, now.Sub(v.last))
	}
	v.last = now
	v.delivery.saw(v.w.acks.since(event.ID), now)
	if strings.HasPrefix(event.Subject, "feed.") {
		v.feed.saw(now.Sub(v.w.feeds.due(event.Number)), now)
	}
	if event.Subject == endSubject {
		return errEnd
	}
	return nil
}

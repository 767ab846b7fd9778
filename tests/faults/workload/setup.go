package workload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/millrace/millrace/abi/sse"
	"github.com/millrace/millrace/tests/faults/checker"
)

// allPath is the route with all subjects.
const allPath = "/all"

// retryMillis is how long viewers are told to wait before they come back.
const retryMillis = 200

// setUp makes the tenant, its routes and its sources.
func (w *run) setUp(ctx context.Context) error {
	type doc = map[string]any
	all := []string{"load.>", "feed.>", endSubject}
	one := []string{"load.{publisher}", "feed.{source}", endSubject}
	route := func(path string, subjects []string) doc {
		return doc{"path": path, "subjects": subjects, "access": "public", "retry": retryMillis, "keepAliveInterval": 1000}
	}
	account := doc{}
	if w.feeds != nil {
		account["outbound"] = []string{"127.0.0.1"}
	}
	type put struct {
		path string
		doc  doc
	}
	puts := []put{
		{"", account}, {"/routes/all", route(allPath, all)}, {"/routes/one", route("/one/:publisher/:source", one)},
	}
	for i := range w.config.Sources {
		puts = append(puts, put{fmt.Sprintf("/sources/feed-%d", i), doc{
			"url": fmt.Sprintf("%s/%d", w.feeds.url, i), "subject": feedSubject(i), "retry": doc{"initial": 100, "max": 1000},
		}})
	}
	for _, p := range puts {
		body, err := json.Marshal(p.doc)
		if err != nil {
			return err
		}
		err = w.until(ctx, 0, func(ctx context.Context, base string) error {
			return w.call(ctx, http.MethodPut, base+"/v1/tenants/"+tenant+p.path, body, "", nil)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// finish lets the sources take what their remotes have, publishes the last event of all, and reads
// what is stored up to it.
func (w *run) finish(ctx context.Context) ([]checker.Event, error) {
	if w.feeds != nil {
		w.feeds.freeze()
		if err := w.awaitFeeds(ctx); err != nil {
			return nil, fmt.Errorf("wait for the sources: %w", err)
		}
	}
	end, err := w.publish(ctx, 0, endSubject, 0)
	if err != nil {
		return nil, fmt.Errorf("publish the last event: %w", err)
	}
	stored, err := w.stored(ctx, w.config.Patience, ">", func(e checker.Event) bool { return e.ID == end.ID })
	if err != nil {
		return nil, fmt.Errorf("read what is stored: %w", err)
	}
	return stored, nil
}

// awaitFeeds waits until each source has stored its remote's last event. Beyond Patience it goes on:
// what is missing then is for the checker.
func (w *run) awaitFeeds(ctx context.Context) error {
	last, missing := w.feeds.length()-1, w.config.Sources
	_, err := w.stored(ctx, w.config.Patience, "feed.>", func(e checker.Event) bool {
		if e.Number == last {
			missing--
		}
		return missing == 0
	})
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil
	}
	return err
}

// stored reads history, beginning with the oldest event, up to the one that is the last. A stream that
// breaks is read anew from the beginning, so that what is returned is of one reading.
func (w *run) stored(ctx context.Context, within time.Duration, subject string, last func(checker.Event) bool) (events []checker.Event, err error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for try := 0; ; try++ {
		events, err = w.readStored(ctx, w.config.URLs[try%len(w.config.URLs)], subject, last)
		if err == nil || !sleep(ctx, betweenTries) {
			return events, err
		}
	}
}

func (w *run) readStored(ctx context.Context, base, subject string, last func(checker.Event) bool) (events []checker.Event, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v1/tenants/"+tenant+"/events?last_event_id=earliest&subject="+subject, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+w.config.Token)
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 500)) // whatever there is
		return nil, &refusal{"read history", resp.StatusCode, b}
	}
	reader := sse.NewReader(resp.Body, 0)
	for {
		e, err := reader.Next()
		if err != nil {
			return nil, fmt.Errorf("after %d events: %w", len(events), err)
		}
		event, err := decode(e)
		if err != nil {
			return nil, err
		}
		events = append(events, event)
		if last(event) {
			return events, nil
		}
	}
}

//go:build linux

package relay

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker/source"
)

// TestASourceReadsNchan: a source reads what is published to a channel of nchan, whose ids have the
// form time:tag. While messages are published, nginx, with all its processes, and this server are
// killed ten times in all.
//
// What is exact: in the end history is what nchan itself then sends to a client that reads the
// channel from its start, message for message. That is not always what was published, once each: a
// publisher whose answer was lost to a kill publishes again, and nchan, which knows no keys, may keep
// both. The two differ in their text here, so that it would show if the source mixed them up. In
// nchan's memory messages end with its workers, so that there would be nothing to read on; here it
// keeps them in Redis, which is not killed.
func TestASourceReadsNchan(t *testing.T) {
	messages := 20_000
	if testing.Short() {
		messages = 4000
	}
	from, to := startNchan(t), startAcme(t)
	put(to, "nchan", source.Config{URL: from.url + "/sub", Subject: "nchan"})
	p := &nchanPublisher{url: from.url + "/pub"}
	y := &relay{
		server: to, publish: p.publish,
		restart: []func(){
			func() { from.nginx.kill(); from.run() },
			func() { to.Kill(); to.Restart() },
		},
	}
	begin := time.Now()
	y.pass(t, messages, "nchan")
	if err := p.publishText(t.Context(), "last"); err != nil {
		t.Fatal(err)
	}
	kept := from.read(t, "last 0")
	p.check(t, kept)
	checkHistory(t, to, "nchan", kept)
	t.Logf("%d messages, %d of them published again, with %d kills in %.1f s", len(kept), len(kept)-messages-1, kills, time.Since(begin).Seconds())
}

// nchanPublisher publishes messages one after the other. Each tells its number and which try it is.
type nchanPublisher struct {
	url    string
	client http.Client
	acked  []string // in order
}

func (p *nchanPublisher) publish(ctx context.Context, from, to int) error {
	for n := from; n < to; n++ {
		if err := p.publishText(ctx, fmt.Sprint(n)); err != nil {
			return err
		}
	}
	return nil
}

// publishText publishes a message until nchan acknowledges it.
func (p *nchanPublisher) publishText(ctx context.Context, text string) error {
	for try := 0; ctx.Err() == nil; try++ {
		message := fmt.Sprint(text, " ", try)
		if p.try(ctx, message) {
			p.acked = append(p.acked, message)
			return nil
		}
		pause(ctx, 20*time.Millisecond)
	}
	return fmt.Errorf("publish %s: %w", text, context.Cause(ctx))
}

// try publishes a message, and tells whether that was acknowledged.
func (p *nchanPublisher) try(ctx context.Context, message string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, strings.NewReader(message))
	if err != nil {
		return false
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err == nil && (resp.StatusCode == http.StatusCreated || resp.StatusCode == http.StatusAccepted)
}

// check checks that what nchan kept is something to compare with: all that was acknowledged, in the
// order of publishing, and beside it only tries that were not answered.
func (p *nchanPublisher) check(t *testing.T, kept []abi.Event) {
	t.Helper()
	tries := map[string]bool{}
	next := 0
	for _, e := range kept {
		if tries[e.Data] {
			t.Fatalf("nchan has %q twice", e.Data)
		}
		tries[e.Data] = true
		if next < len(p.acked) && e.Data == p.acked[next] {
			next++
			continue
		}
		if due, _, _ := strings.Cut(p.acked[min(next, len(p.acked)-1)], " "); !strings.HasPrefix(e.Data, due+" ") {
			t.Fatalf("nchan has %q, where %s is due", e.Data, due)
		}
	}
	if next != len(p.acked) {
		t.Fatalf("nchan lacks %q, which it acknowledged", p.acked[next])
	}
}

// read reads the channel from its start to a message, without code of this project.
func (n *nchan) read(t *testing.T, last string) (kept []abi.Event) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.url+"/sub", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		if !ok {
			continue
		}
		kept = append(kept, abi.Event{Data: string(data)})
		if string(data) == last {
			return kept
		}
	}
	t.Fatalf("nchan's stream ends after %d messages: %v", len(kept), lines.Err())
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

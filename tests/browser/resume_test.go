package browser

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/tests/program"
)

// storm is a stream of numbered events to a page whose connection is cut all the time while the
// server is killed now and then.
type storm struct {
	server *program.Server
	page   *page
	cutter *program.Cutter
	events int
	data   func(n int) string // what is published as event n
	stored atomic.Int64       // events acknowledged so far
}

// maxLead is how many events the publisher may be ahead of the page, so that cuts and kills come
// while events are published and sent live, not only while they are replayed.
const maxLead = 500

// TestAPageGetsEveryEventOnceAndInOrder is what resuming is for: an EventSource that is cut again
// and again, and loses its server to SIGKILL twice, misses nothing and sees nothing twice.
func TestAPageGetsEveryEventOnceAndInOrder(t *testing.T) {
	s := &storm{server: newAcme(t), events: 10_000, data: strconv.Itoa}
	s.server.Put("/v1/tenants/acme/routes/numbers", map[string]any{
		"path": "/numbers", "subjects": []string{"numbers.>"}, "access": "public", "cors": "*", "retry": 50,
	})
	// A frame has about 50 bytes, so that there are about 50 cuts.
	s.run(t, "/t/acme/numbers", 20_000, 2)
	s.check(t, 20, strconv.Itoa)
}

// TestAnEventCallbackResumesAsWell is the same behind a callback, which has to be there again after
// each kill and to make the same of what is replayed.
func TestAnEventCallbackResumesAsWell(t *testing.T) {
	s := &storm{server: newAcme(t), events: 3000, data: func(n int) string { return fmt.Sprintf("%d from ada@example.com", n) }}
	s.server.Put("/v1/tenants/acme/plugins/redact", program.Plugin(t, "redact"))
	s.server.Put("/v1/tenants/acme/routes/redacted", map[string]any{
		"path": "/redacted", "plugin": "redact", "subjects": []string{"numbers.>"}, "access": "public", "cors": "*", "retry": 50,
	})
	s.run(t, "/t/acme/redacted", 12_000, 1)
	s.check(t, 10, func(n int) string { return fmt.Sprintf("%d from [e-mail]", n) })
}

// run publishes all events while the page follows the route at path. Each connection is cut before
// it has carried maxBytes, and the server is killed so many times, at even parts of the way.
func (s *storm) run(t *testing.T, path string, maxBytes, kills int) {
	s.cutter = program.NewCutter(s.server, 100, maxBytes)
	s.page = openPage(t)
	s.page.follow(s.cutter.URL()+path+"?last_event_id=earliest", "end", "message", "end")

	client := s.server.Through(program.NewCutter(s.server, 100, 20_000))
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	var publishing sync.WaitGroup
	defer publishing.Wait()
	defer cancel()
	published := make(chan error, 1)
	publishing.Go(func() { published <- s.publish(ctx, client) })
	for i := range kills {
		at := s.page.await(s.events * (i + 1) / (kills + 1))
		s.server.Kill()
		stored := int(s.stored.Load())
		if stored >= s.events {
			t.Errorf("kill %d came when all was published", i+1)
		}
		t.Logf("kill %d: %d events published, %d seen by the page, %d cuts", i+1, stored, at.Count, s.cutter.Cuts())
		s.server.Restart()
	}
	s.page.await(s.events + 1)
	if err := <-published; err != nil { // the last acknowledgement may come after the event
		t.Errorf("publish: %v", err)
	}
}

// publish publishes one event after the other, each until it is acknowledged, and one named end. Its
// connection is cut as well, so that acknowledgements are lost and events repeated.
func (s *storm) publish(ctx context.Context, client *program.Client) error {
	for n := 1; n <= s.events+1; n++ {
		e := program.Event{Subject: "numbers.all", Data: s.data(n), Key: fmt.Sprintf("number-%d", n)}
		if n > s.events {
			e.Name = "end"
		}
		_, err := program.UntilStored(ctx, func(ctx context.Context) (string, error) {
			return client.Publish(ctx, "acme", e)
		})
		if err != nil {
			return fmt.Errorf("event %d: %w", n, err)
		}
		if err := s.paced(ctx, s.stored.Add(1)); err != nil {
			return err
		}
	}
	return nil
}

// paced waits until the page is near enough to event n.
func (s *storm) paced(ctx context.Context, n int64) error {
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for n-s.page.count.Load() > maxLead {
		select {
		case <-poll.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// check compares what the page has seen with what was published, and wants that it was not easy.
func (s *storm) check(t *testing.T, cuts int, want func(n int) string) {
	t.Helper()
	state := s.page.seen()
	t.Logf("%d events in %d connections, %d cuts, %d breaks", state.Count, state.Opens, s.cutter.Cuts(), state.Breaks)
	if got := s.cutter.Cuts(); got < cuts || state.Breaks < cuts {
		t.Errorf("the connection was cut %d times, %d seen by the page, want at least %d", got, state.Breaks, cuts)
	}
	got := s.page.events()
	if len(got) != s.events+1 {
		t.Errorf("the page saw %d events, want %d and the end", len(got), s.events)
	}
	for i, e := range got {
		name := "message"
		if i == s.events {
			name = "end"
		}
		if e.Data != want(i+1) || e.Name != name {
			t.Fatalf("event %d is %+v, want %s %q", i+1, e, name, want(i+1))
		}
	}
}

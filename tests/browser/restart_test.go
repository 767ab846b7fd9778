package browser

import (
	"testing"

	"github.com/millrace/millrace/tests/program"
)

// TestAPageOutlivesAGracefulRestart: a server that is ended with SIGTERM sends its viewers away, one
// by one. An EventSource that comes back at any moment of that has to find either a stream or no
// server at all, since it gives up for good at an answer that is no stream, such as a 503.
func TestAPageOutlivesAGracefulRestart(t *testing.T) {
	const sources = 5 // one less than the connections that Chromium opens to a server at once
	chromium(t)
	s := program.Start(t, "--drain", "5s")
	s.Put("/v1/tenants/acme", nil)
	s.Put("/v1/tenants/acme/routes/news", map[string]any{
		"path": "/news", "subjects": []string{"news"}, "access": "public", "cors": "*",
	})
	p := openPage(t)
	for range sources {
		p.follow(s.URL+"/t/acme/news?last_event_id=earliest", "end", "message", "end")
	}
	publish := func(e program.Event) {
		t.Helper()
		e.Subject = "news"
		if _, err := s.Publish(t.Context(), "acme", e); err != nil {
			t.Fatal(err)
		}
	}
	publish(program.Event{Data: "before"})
	p.await(sources)
	if status := s.Stop(); status != 0 {
		t.Errorf("the exit status is %d, want 0", status)
	}
	s.Restart()
	publish(program.Event{Data: "after"})
	publish(program.Event{Data: "end", Name: "end"})
	p.await(3 * sources)
	times := map[string]int{}
	for _, e := range p.events() {
		times[e.Data]++
	}
	for _, data := range []string{"before", "after", "end"} {
		if times[data] != sources {
			t.Errorf("the event %q was seen %d times, want once by each of %d sources", data, times[data], sources)
		}
	}
}

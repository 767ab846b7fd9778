package crash

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/tests/program"
)

// TestTermEndsViewersInGoodOrder: each viewer, of a plain tail and of callbacks of both kinds, gets
// what was published, a time after which to come back, and an orderly end; the exit status is 0 and
// nothing is lost.
func TestTermEndsViewersInGoodOrder(t *testing.T) {
	const viewers = 21
	s := program.Start(t, "--drain", "1s")
	s.Put("/v1/tenants/acme", nil)
	paths := []string{"/tail", "/redact", "/notifications"}
	for _, path := range paths {
		route := map[string]any{"path": path, "access": "public", "subjects": []string{"news.>"}}
		if name := path[1:]; name != "tail" {
			s.Put("/v1/tenants/acme/plugins/"+name, program.Plugin(t, name))
			route["plugin"] = name
		}
		s.Put("/v1/tenants/acme/routes"+path, route)
	}
	var open []*program.Stream
	for i := range viewers {
		open = append(open, s.Open("/t/acme"+paths[i%len(paths)]))
	}
	if _, err := s.Publish(t.Context(), "acme", program.Event{Subject: "news.today", Data: `{"message": "hello"}`}); err != nil {
		t.Fatal(err)
	}
	for _, v := range open {
		if e := v.Next(); !strings.Contains(e.Data, "hello") {
			t.Errorf("event %q, want hello", e.Data)
		}
	}
	s.Terminate()
	ends := make(chan error, viewers)
	for _, v := range open {
		go func() { ends <- endsWell(v) }()
	}
	for range open {
		if err := <-ends; err != nil {
			t.Error(err)
		}
	}
	if status := s.Wait(); status != 0 {
		t.Errorf("the exit status is %d, want 0", status)
	}
	s.Restart()
	if e := s.Open("/t/acme/tail?last_event_id=earliest").Next(); !strings.Contains(e.Data, "hello") {
		t.Errorf("event %q after the restart, want hello", e.Data)
	}
}

func endsWell(v *program.Stream) error {
	if err := v.Ended(); err != nil {
		return err
	}
	if wait, ok := v.Retry(); !ok || wait <= 0 {
		return fmt.Errorf("a viewer is not told when to come back: %s, %v", wait, ok)
	}
	return nil
}

// TestADrainingServerSendsNewcomersElsewhere: while viewers are being ended, new requests are
// answered, and the answer is to come again later.
func TestADrainingServerSendsNewcomersElsewhere(t *testing.T) {
	s := program.Start(t, "--drain", "5s")
	s.Put("/v1/tenants/acme", nil)
	s.Put("/v1/tenants/acme/routes/tail", map[string]any{"path": "/tail", "access": "public", "subjects": []string{"news.>"}})
	for range 30 { // they end one by one, at random moments of the time to drain
		s.Open("/t/acme/tail")
	}
	s.Terminate()
	awaitDraining(t, s)
	for _, path := range []string{"/readyz", "/t/acme/tail", "/v1/tenants/acme/events?subject=news"} {
		a, err := s.Call(t.Context(), http.MethodGet, path, nil)
		if err != nil {
			t.Errorf("GET %s while draining: %v, want a 503", path, err)
			continue
		}
		after, _ := strconv.Atoi(a.Header.Get("Retry-After"))
		if a.Status != http.StatusServiceUnavailable || after <= 0 {
			t.Errorf("GET %s while draining is a %d with Retry-After %q, want a 503 with one", path, a.Status, a.Header.Get("Retry-After"))
		}
	}
	if status := s.Wait(); status != 0 {
		t.Errorf("the exit status is %d, want 0", status)
	}
}

// awaitDraining waits until the server has taken note of the signal.
func awaitDraining(t *testing.T, s *program.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for {
		a, err := s.Call(ctx, http.MethodGet, "/readyz", nil)
		if err != nil {
			t.Fatalf("ask a draining server whether it is ready: %v", err)
		}
		if a.Status != http.StatusOK {
			return
		}
		<-poll.C
	}
}

package relay

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker/source"
	"github.com/millrace/millrace/tests/program"
)

// TestAServerRelaysAnother: two sources of one server read another, one by a public route over
// connections that are cut, one as a tool does, with a token that is a secret. While 100,000 events
// are published to that, either server is killed, ten times in all. Then both have the same history:
// each event once, in order.
//
// A publisher that was not answered publishes again with the same keys, so that what it publishes is
// known; nothing else is done for exactness.
func TestAServerRelaysAnother(t *testing.T) {
	events := 100_000
	if testing.Short() {
		events = 10_000
	}
	from, to := program.Start(t), startAcme(t)
	from.Put("/v1/tenants/acme", nil)
	from.Put("/v1/tenants/acme/routes/feed", map[string]any{"path": "/feed", "subjects": []string{"feed"}, "access": "public"})
	to.Put("/v1/tenants/acme/secrets/token", []byte(subscriber(t, from)))
	cutter := program.NewCutter(from, 100, 100_000)
	put(to, "route", source.Config{URL: cutter.URL() + "/t/acme/feed", Subject: "route", LastEventID: "earliest"})
	put(to, "tail", source.Config{
		URL: from.URL + "/v1/tenants/acme/events?subject=feed", Subject: "tail", LastEventID: "earliest",
		Headers: map[string]string{"Authorization": "Bearer {{secret.token}}"},
	})
	y := &relay{
		server:  to,
		publish: func(ctx context.Context, first, end int) error { return publishNumbers(ctx, from, first, end) },
		restart: []func(){
			func() { from.Kill(); from.Restart() },
			func() { to.Kill(); to.Restart() },
		},
	}
	begin := time.Now()
	y.pass(t, events, "route", "tail")
	want := make([]abi.Event, events)
	for n := range want {
		want[n] = abi.Event{Name: "number", Data: number(n)}
	}
	checkHistory(t, from, "feed", want)
	want = append(want, abi.Event{Data: "end"}) // that of the check before
	for _, name := range []string{"route", "tail"} {
		checkHistory(t, to, name, want)
		stop(to, name)
	}
	if cutter.Cuts() < 5 {
		t.Errorf("connections were cut only %d times", cutter.Cuts())
	}
	t.Logf("%d events with %d kills and %d cuts in %.1f s", events, kills, cutter.Cuts(), time.Since(begin).Seconds())
}

// number is the data of the n-th event; every tenth has two lines.
func number(n int) string {
	lines := []string{fmt.Sprintf(`{"n": %d, "text": "what an event of a usual size might say"}`, n)}
	if n%10 == 0 {
		lines = append(lines, "and a second line")
	}
	return strings.Join(lines, "\n")
}

// publishNumbers publishes the events with those numbers, whatever happens to the server meanwhile.
func publishNumbers(ctx context.Context, s *program.Server, from, to int) error {
	numbers := make([]program.Event, 0, to-from)
	for n := from; n < to; n++ {
		numbers = append(numbers, program.Event{Subject: "feed", Name: "number", Data: number(n), Key: fmt.Sprint("n", n)})
	}
	for batch := range slices.Chunk(numbers, 100) {
		_, err := program.UntilStored(ctx, func(ctx context.Context) ([]string, error) { return s.PublishBatch(ctx, "acme", batch) })
		if err != nil {
			return fmt.Errorf("publish from %s: %w", batch[0].Key, err)
		}
	}
	return nil
}

// subscriber makes a token that may read the feed.
func subscriber(t *testing.T, s *program.Server) string {
	t.Helper()
	var made struct{ Token string }
	body := s.Must(http.MethodPost, "/v1/tenants/acme/tokens", map[string]any{
		"name": "relay", "scopes": []string{"subscribe"}, "subjects": []string{"feed"},
	})
	if err := json.Unmarshal(body, &made); err != nil {
		t.Fatal(err)
	}
	return made.Token
}

package external_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/tests/external"
	"github.com/millrace/millrace/tests/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// TestKilledNATS kills the NATS that two nodes use, and starts it again, while one takes events in and
// the other has viewers. What was acknowledged comes to each viewer once and in order, over the stream
// that it has had from the start.
func TestKilledNATS(t *testing.T) {
	nats := external.StartNATS(t)
	flags := nats.Flags()
	nodes := []*program.Server{
		program.Start(t, append([]string{"--node", "n1"}, flags...)...),
		program.Start(t, append([]string{"--node", "n2"}, flags...)...),
	}
	nodes[0].Put("/v1/tenants/acme", nil)
	nodes[0].Put("/v1/tenants/acme/routes/all", map[string]any{"path": "/all", "subjects": []string{"n.>"}, "access": "public"})
	viewers := make([]*viewer, 4)
	for i := range viewers {
		viewers[i] = follow(nodes[1].Open("/t/acme/all"))
	}

	p := &publisher{server: nodes[0]}
	publishing, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() { p.run(publishing, i) })
	}
	for range 3 {
		p.await(t, 200)
		nats.Kill()
		for _, n := range nodes {
			await(t, "readyz is 503", func() bool { return status(t, n, "/readyz") == http.StatusServiceUnavailable })
		}
		a, err := nodes[1].Call(t.Context(), http.MethodPost, "/v1/tenants/acme/events/n.refused", []byte("refused"))
		if err != nil || a.Status != http.StatusServiceUnavailable {
			t.Errorf("publish without NATS: %d, %v", a.Status, err)
		}
		nats.Start()
		for _, n := range nodes {
			await(t, "readyz is 200", func() bool { return status(t, n, "/readyz") == http.StatusOK })
		}
	}
	p.await(t, 200)
	stop()
	wg.Wait()
	for _, err := range p.errors {
		t.Error(err)
	}
	// An admin call on one node is seen on the other as before.
	nodes[1].Put("/v1/tenants/later", nil)
	nodes[0].Must(http.MethodGet, "/v1/tenants/later", nil)
	last, err := nodes[1].Publish(t.Context(), "acme", program.Event{Subject: "n.end", Data: "end"})
	if err != nil {
		t.Fatal(err)
	}

	want := whole(t, nodes[0], last)
	for i, v := range viewers {
		got := v.until(t, last)
		if !slices.Equal(got, want) {
			t.Errorf("viewer %d has %d events, history %d", i, len(got), len(want))
		}
	}
	times := map[string]int{}
	for _, line := range want {
		times[line]++
	}
	for _, line := range p.acked {
		if times[line] != 1 {
			t.Errorf("%s was acknowledged and is there %d times", line, times[line])
		}
	}
	t.Logf("%d acknowledged, %d stored", len(p.acked), len(want))
}

// publisher publishes with keys, again until it is told that the event is stored.
type publisher struct {
	server *program.Server

	mu     sync.Mutex
	acked  []string
	errors []error
}

func (p *publisher) run(ctx context.Context, number int) {
	for n := 0; ctx.Err() == nil; n++ {
		e := program.Event{Subject: fmt.Sprint("n.", number), Data: fmt.Sprint(number, "-", n), Key: fmt.Sprint(number, "-", n)}
		id, err := program.UntilStored(ctx, func(ctx context.Context) (string, error) { return p.server.Publish(ctx, "acme", e) })
		p.mu.Lock()
		if err == nil {
			p.acked = append(p.acked, id+" "+e.Data)
		} else if !errors.Is(err, context.Canceled) {
			p.errors = append(p.errors, err)
		}
		p.mu.Unlock()
	}
}

// await waits until n more events are acknowledged.
func (p *publisher) await(t *testing.T, n int) {
	t.Helper()
	count := func() int { p.mu.Lock(); defer p.mu.Unlock(); return len(p.acked) }
	n += count()
	await(t, "events are acknowledged", func() bool { return count() >= n })
}

// viewer follows one stream, which must not end.
type viewer struct {
	events chan abi.Event
	err    chan error
}

func follow(s *program.Stream) *viewer {
	v := &viewer{make(chan abi.Event, 1<<20), make(chan error, 1)}
	go func() {
		for {
			e, err := s.Read()
			if err != nil {
				v.err <- err
				return
			}
			v.events <- e
		}
	}()
	return v
}

// until returns the viewer's events up to the one with an id.
func (v *viewer) until(t *testing.T, id string) (lines []string) {
	t.Helper()
	for timeout := time.After(time.Minute); ; {
		select {
		case e := <-v.events:
			lines = append(lines, e.ID+" "+e.Data)
			if e.ID == id {
				return lines
			}
		case err := <-v.err:
			t.Fatalf("a viewer's stream ended: %v", err)
		case <-timeout:
			t.Fatalf("a viewer has %d events, and not the last", len(lines))
		}
	}
}

// whole is the history up to an event.
func whole(t *testing.T, s *program.Server, id string) (lines []string) {
	t.Helper()
	stream := s.Open("/t/acme/all?last_event_id=earliest")
	defer stream.Close()
	for {
		e := stream.Next()
		lines = append(lines, e.ID+" "+e.Data)
		if e.ID == id {
			return lines
		}
	}
}

func status(t *testing.T, s *program.Server, path string) int {
	t.Helper()
	a, err := s.Call(t.Context(), http.MethodGet, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return a.Status
}

func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// Package relay tests sources against servers that are not made for it: nginx with nchan, and this
// server itself. While events pass, either side is killed again and again.
package relay

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/broker/source"
	"github.com/millrace/millrace/tests/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// kills is how often something is killed in one test.
const kills = 10

// relay is a remote whose events a source takes into a server's history.
type relay struct {
	server *program.Server // of the source

	// publish publishes events to the remote, from and up to those numbers, past its ends.
	publish func(ctx context.Context, from, to int) error

	// restart kills and starts again what events pass through, each time another.
	restart []func()
}

// pass publishes events in parts, and kills once in each but the last, always while events are on
// their way: the source has taken a quarter of the part at most. Often, as is logged, they are still
// being published.
func (y *relay) pass(t *testing.T, events int, sources ...string) {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed of the kills: %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	var publishing sync.WaitGroup
	defer publishing.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	published := make(chan error, 1)
	part, amid := events/(kills+1), 0
	for n := range kills + 1 {
		from, to := n*part, (n+1)*part
		if n == kills {
			to = events
		}
		name := sources[r.IntN(len(sources))]
		before := y.taken(name)
		publishing.Go(func() { published <- y.publish(ctx, from, to) })
		if n < kills {
			y.awaitMore(t, name, before, 1+r.Uint64N(uint64(part/4)))
			if len(published) == 0 {
				amid++
			}
			y.restart[n%len(y.restart)]()
		}
		if err := <-published; err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d of %d kills came while events were published", amid, kills)
}

// taken is how many events the source has taken since its server was started.
func (y *relay) taken(name string) uint64 { return statusOf(y.server, name).Events }

// awaitMore waits until the source has taken so many events since there were as many as before.
func (y *relay) awaitMore(t *testing.T, name string, before, more uint64) {
	t.Helper()
	await(t, "the source to take events", func() bool { return y.taken(name) >= before+more })
}

// put makes a source in tenant acme, which comes back at once.
func put(s *program.Server, name string, c source.Config) {
	c.Retry = source.Retry{Initial: 50, Max: 200, Jitter: new(0.0)}
	s.Put("/v1/tenants/acme/sources/"+name, c)
}

func statusOf(s *program.Server, name string) source.Status {
	var shown struct{ Status source.Status }
	// What cannot be read is no status that anybody waits for.
	_ = json.Unmarshal(s.Must(http.MethodGet, "/v1/tenants/acme/sources/"+name, nil), &shown)
	return shown.Status
}

// startAcme starts a server whose tenant acme may have sources on loopback.
func startAcme(t testing.TB) *program.Server {
	t.Helper()
	s := program.Start(t, "--allow-private-outbound")
	s.Put("/v1/tenants/acme", map[string]any{"outbound": []string{"127.0.0.1"}})
	return s
}

// await waits for a condition, which comes about unless something hangs.
func await(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.NewTimer(2 * time.Minute)
	defer deadline.Stop()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for !condition() {
		select {
		case <-poll.C:
		case <-deadline.C:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

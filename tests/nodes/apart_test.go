package nodes

import (
	"net/http"
	"testing"

	"github.com/millrace/millrace/tests/cluster"
	"github.com/millrace/millrace/tests/faults/link"
)

// TestANodeThatIsCutOffSendsItsViewersElsewhere cuts one of three nodes off, so that nothing gets
// through and nobody is told. Its viewers end, come back through the balancer to other nodes and miss
// nothing. When the node is reached again it takes its share again.
func TestANodeThatIsCutOffSendsItsViewersElsewhere(t *testing.T) {
	const viewers = 5
	c := cluster.Start(t, cluster.Config{Nodes: 3, Links: 1, Flags: []string{"--drain", "2s"}})
	b := c.Balance()
	setUp(t, b.URL, c.Token)
	n2 := c.Nodes[1]
	ids := make(chan string, viewers)
	for range viewers {
		s := open(t, n2.URL, "earliest")
		want(t, s, "one")
		go func() {
			if e, err := s.Next(); err == nil {
				t.Errorf("a viewer of the node gets %+v; want the end", e)
			}
			if _, told := s.Retry(); !told {
				t.Error("a viewer is not told when to come back")
			}
			ids <- s.LastEventID()
		}()
	}
	blocked := link.Quality{Blocked: true}
	c.Isolate(1, blocked, blocked)
	await(t, func() bool { return b.Ready(t) == 2 })
	await(t, func() bool {
		status, _ := request(t, c.Token, http.MethodPost, b.URL+"/v1/tenants/acme/events/news", "two")
		return status == http.StatusCreated
	})
	for range viewers {
		want(t, open(t, b.URL, <-ids), "two")
	}
	c.Isolate(1, link.Quality{}, link.Quality{})
	await(t, func() bool { return b.Ready(t) == 3 })
	s := open(t, n2.URL, "earliest")
	want(t, s, "one")
	want(t, s, "two")
}

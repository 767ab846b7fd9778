package cluster_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/millrace/millrace/tests/cluster"
)

// TestTheClockOfOneProcessJumps: what other tests do to nodes' clocks does happen.
func TestTheClockOfOneProcessJumps(t *testing.T) {
	if !cluster.ClocksJump {
		t.Skip("clocks are set on Linux on amd64 only")
	}
	t.Parallel()
	n := cluster.Start(t, cluster.Config{}).Nodes[0]
	for _, step := range []struct{ jump, want time.Duration }{{0, 0}, {time.Hour, time.Hour}, {-24 * time.Hour, -23 * time.Hour}} {
		n.JumpClock(step.jump)
		resp := do(t, "", http.MethodGet, n.URL+"/healthz", "")
		resp.Body.Close()
		said, err := http.ParseTime(resp.Header.Get("Date"))
		if err != nil {
			t.Fatal(err)
		}
		if off := time.Until(said) - step.want; off.Abs() > 10*time.Minute {
			t.Errorf("the node's clock says %s, want %s from now", said, step.want)
		}
	}
}

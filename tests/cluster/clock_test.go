package cluster_test

import (
	"encoding/json"
	"net/http"
	"strings"
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

// TestTokensEndByWhatMostClocksSay: on a node whose clock is wrong tokens are good for as long as on the
// others, no less and no more.
func TestTokensEndByWhatMostClocksSay(t *testing.T) {
	if !cluster.ClocksJump {
		t.Skip("clocks are set on Linux on amd64 only")
	}
	t.Parallel()
	c := cluster.Start(t, cluster.Config{Nodes: 3})
	right, wrong := c.Nodes[0], c.Nodes[1]
	setUp(t, right.URL, c.Token)
	status := func(token string) int {
		status, _ := call(t, token, http.MethodPost, wrong.URL+"/v1/tenants/acme/events/news", "something")
		return status
	}
	token := func(ttl string) string {
		_, answer := call(t, c.Token, http.MethodPost, right.URL+"/v1/tenants/acme/tokens", `{"name": "feed", "scopes": ["publish"], "ttl": "`+ttl+`"}`)
		var made struct{ ID, Token string }
		if err := json.Unmarshal([]byte(answer), &made); err != nil || made.Token == "" {
			t.Fatalf("no token: %s, %v", answer, err)
		}
		await(t, func() bool { // the other node knows it
			_, answer := call(t, c.Token, http.MethodGet, wrong.URL+"/v1/tenants/acme/tokens", "")
			return strings.Contains(answer, made.ID)
		})
		return made.Token
	}
	wrong.JumpClock(time.Hour)
	good := token("30m")
	await(t, func() bool { return status(good) == http.StatusCreated })
	wrong.JumpClock(-2 * time.Hour)
	ended := token("1s")
	await(t, func() bool { return status(ended) == http.StatusUnauthorized })
}

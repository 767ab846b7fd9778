package web_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/broker/source/sourcetest"
	"github.com/millrace/millrace/web"
)

func TestStartsInAnyNumberLoseAndRepeatNothing(t *testing.T) {
	n := startSources(t, web.Config{})
	events := sourcetest.Plain(1000)
	far := remote(t, func(k int, r sourcetest.Request) sourcetest.Reply {
		reply := resumed(events)(k, r)
		reply.Trickle, reply.Pause = 512, time.Millisecond
		return reply
	})
	n.source("a", far.URL, nil)
	v := n.stored("a")
	for i := range 20 {
		v.want(events[i].Data) // some have come in between
		var starts sync.WaitGroup
		for range 3 {
			starts.Go(func() { n.must("POST", "/v1/tenants/acme/sources/a/start", nil, nil) })
		}
		starts.Wait()
	}
	v.want(numbered(1000)[20:]...)
	n.wantStored("a", numbered(1000)...)
	if got := far.Counts().Connections; got < 2 {
		t.Errorf("%d connections", got)
	}
	check(t, far.Wait(t.Context(), func(c sourcetest.Counts) bool { return c.Open == 1 }))
}

func TestDeletedTenantStopsItsSources(t *testing.T) {
	n := startSources(t, web.Config{})
	far := remote(t, resumed(sourcetest.Plain(1)))
	n.source("a", far.URL, nil)
	check(t, far.Wait(t.Context(), func(c sourcetest.Counts) bool { return c.Open == 1 }))
	n.must("DELETE", "/v1/tenants/acme", nil, nil)
	check(t, far.Wait(t.Context(), func(c sourcetest.Counts) bool { return c.Open == 0 }))
}

func TestEndsOfSourcesOutliveTheNode(t *testing.T) {
	dir := t.TempDir()
	c := web.Config{AllowPrivateOutbound: true}
	n := startNodeIn(t, dir, c)
	n.must("PUT", "/v1/tenants/acme", map[string]any{"outbound": []string{"*"}}, nil)
	whole := sourcetest.Stream(append(sourcetest.Plain(2), abi.Event{Data: "[DONE]"}))
	done := remote(t, sourcetest.Always(sourcetest.Reply{Body: whole}))
	gone := remote(t, sourcetest.Always(sourcetest.Reply{Status: 204}))
	failed := remote(t, sourcetest.Always(sourcetest.Reply{Status: 401, Body: []byte("who are you?")}))
	stopped := remote(t, resumed(sourcetest.Plain(1)))
	live := remote(t, resumed(sourcetest.Plain(1)))
	n.source("done", done.URL, nil)
	n.source("gone", gone.URL, nil)
	n.source("failed", failed.URL, nil)
	n.source("stopped", stopped.URL, nil)
	n.source("live", live.URL, nil)
	n.reaches("done", "done")
	n.reaches("gone", "done")
	if got := n.reaches("failed", "failed").Status.LastError; !strings.Contains(got, "401") || !strings.Contains(got, "who are you?") {
		t.Errorf("last error %q, want the status and what the remote says", got)
	}
	n.stored("live").want("event 1")
	n.stored("stopped").want("event 1")
	n.must("POST", "/v1/tenants/acme/sources/stopped/stop", nil, nil)
	n.wantStored("done", "event 1", "event 2", "[DONE]")
	n.stop()
	if got := live.Counts().Open; got != 0 {
		t.Errorf("%d connections are open of a node that has stopped", got)
	}

	n = startNodeIn(t, dir, c)
	check(t, live.Wait(t.Context(), func(c sourcetest.Counts) bool { return c.Connections == 2 }))
	for name, state := range map[string]string{"done": "done", "gone": "done", "failed": "failed", "stopped": "stopped"} {
		n.reaches(name, state)
	}
	if got := n.getSource("stopped").Status.LastEventID; got != "1" {
		t.Errorf("last event id %q of a stopped source after a restart, want 1", got)
	}
	if got := n.reaches("failed", "failed").Status.LastError; !strings.Contains(got, "who are you?") {
		t.Errorf("last error %q after a restart", got)
	}
	n.must("POST", "/v1/tenants/acme/sources/failed/start", nil, nil)
	check(t, failed.Wait(t.Context(), func(c sourcetest.Counts) bool { return c.Connections == 2 }))
	n.reaches("failed", "failed")
	for name, far := range map[string]*sourcetest.Server{"done": done, "gone": gone, "stopped": stopped} {
		if got := far.Counts().Connections; name != "stopped" && got != 1 || name == "stopped" && got > 1 {
			t.Errorf("%s has connected %d times, want no more after the restart", name, got)
		}
	}
}

func TestTooManySourcesWait(t *testing.T) {
	n := startSources(t, web.Config{Sources: 1})
	far := remote(t, resumed(sourcetest.Plain(1)))
	n.source("a", far.URL, nil)
	n.reaches("a", "open")
	n.source("b", far.URL, nil)
	if got := n.reaches("b", "waiting").Status.LastError; !strings.Contains(got, "as many sources") {
		t.Errorf("last error %q", got)
	}
	n.must("POST", "/v1/tenants/acme/sources/a/stop", nil, nil)
	n.reaches("b", "open")

	n.must("PUT", "/v1/tenants/acme", map[string]any{"outbound": []string{"127.0.0.1"}, "quotas": map[string]any{"sources": 2}}, nil)
	if got := n.status("PUT", "/v1/tenants/acme/sources/c", adminToken, map[string]any{"url": far.URL, "subject": "x"}); got != 409 {
		t.Errorf("a source over the quota is a %d, want 409", got)
	}
}

// TestAChangeThatCouldNotBeReadIsFollowedLater: the registry does not answer when the node is told that
// a tenant is gone.
func TestAChangeThatCouldNotBeReadIsFollowedLater(t *testing.T) {
	var told atomic.Pointer[web.Server]
	n := startNodeOf(t, broker.Config{Dir: t.TempDir(), Changed: func(tenant string) {
		if s := told.Load(); s != nil {
			s.Changed(tenant)
		}
	}}, sharedHost(t), web.Config{AllowPrivateOutbound: true})
	told.Store(n.web)
	n.must("PUT", "/v1/tenants/acme", map[string]any{"outbound": []string{"127.0.0.1"}}, nil)
	far := remote(t, resumed(sourcetest.Plain(1)))
	n.source("a", far.URL, nil)
	n.reaches("a", "open")
	told.Store(nil)
	check(t, n.broker.DeleteTenant(t.Context(), "acme"))
	unread, cancel := context.WithCancel(t.Context())
	cancel()
	n.web.Follow(unread, "acme")
	n.eventually("the deleted tenant's source to be let go", func() bool { return n.web.Workers() == 0 })
}

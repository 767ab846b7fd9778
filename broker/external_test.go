package broker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/broker/cluster"
	"github.com/millrace/millrace/broker/natstest"
)

// using is how a node uses servers.
func using(s *natstest.Servers, key *cluster.Key) *broker.NATS {
	return &broker.NATS{URLs: s.URLs, Key: key, Operator: s.SigningKey, System: s.Credentials}
}

func TestExternalConfig(t *testing.T) {
	whole := func(change func(*broker.NATS)) *broker.NATS {
		n := &broker.NATS{URLs: []string{"nats://a:4222", "tls://b:4222"}, Key: newClusterKey(t), Operator: "o.nk", System: "s.creds"}
		change(n)
		return n
	}
	for _, tt := range []struct {
		name string
		nats *broker.NATS
		want string // in the error; none for nothing wrong
	}{
		{"all is there", whole(func(*broker.NATS) {}), ""},
		{"no URL", whole(func(n *broker.NATS) { n.URLs = nil }), "no URL"},
		{"not a URL", whole(func(n *broker.NATS) { n.URLs = []string{"a:4222"} }), "not nats://"},
		{"a password on the command line", whole(func(n *broker.NATS) { n.URLs = []string{"nats://u:p@a:4222"} }), "has a user"},
		{"no key", whole(func(n *broker.NATS) { n.Key = nil }), "no key"},
		{"no credentials", whole(func(n *broker.NATS) { n.System = "" }), "credentials"},
	} {
		_, err := broker.New(broker.Config{Dir: t.TempDir(), NATS: tt.nats})
		if (err == nil) != (tt.want == "") || err != nil && !contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	both := broker.Config{Dir: t.TempDir(), NATS: whole(func(*broker.NATS) {}), Cluster: &broker.Cluster{
		Key: newClusterKey(t), Listen: "a:1", Join: []string{"b:1", "c:1"},
	}}
	if _, err := broker.New(both); err == nil || !contains(err.Error(), "not both") {
		t.Errorf("both: %v", err)
	}
}

// TestExternalRefuses starts on servers that are not as they have to be.
func TestExternalRefuses(t *testing.T) {
	keeping := fmt.Sprintf("{ type: full, dir: %q }", t.TempDir())
	for _, tt := range []struct {
		name   string
		setup  natstest.Setup
		change func(t *testing.T, s *natstest.Servers, n *broker.NATS)
		want   string
	}{
		{name: "no JetStream", setup: natstest.Setup{NoStore: true}, want: "switch JetStream on"},
		{name: "small messages only", setup: natstest.Setup{Settings: "max_payload: 1MB"}, want: "set its max_payload"},
		{name: "a resolver that takes no accounts", setup: natstest.Setup{Resolver: "MEMORY"}, want: "a resolver of type full"},
		{name: "a resolver that deletes none", setup: natstest.Setup{Resolver: keeping}, want: "delete must be enabled"},
		{
			name: "a key that is not the operator's", want: "has no signing key",
			change: func(t *testing.T, _ *natstest.Servers, n *broker.NATS) {
				other, err := natstest.NewOperator(t.TempDir(), false)
				if err != nil {
					t.Fatal(err)
				}
				n.Operator = other.SigningKey
			},
		},
		{
			name: "a file without a key", want: "begins with SO",
			change: func(_ *testing.T, s *natstest.Servers, n *broker.NATS) { n.Operator = s.Credentials },
		},
		{
			name: "no such credentials", want: "no such file",
			change: func(t *testing.T, _ *natstest.Servers, n *broker.NATS) { n.System = filepath.Join(t.TempDir(), "none") },
		},
		{
			name: "credentials of another operator", want: "Authorization Violation",
			change: func(t *testing.T, _ *natstest.Servers, n *broker.NATS) {
				other, err := natstest.NewOperator(t.TempDir(), false)
				if err != nil {
					t.Fatal(err)
				}
				n.System = other.Credentials
			},
		},
		{
			name: "a user who may not ask for servers", want: "SERVER.PING",
			change: func(t *testing.T, s *natstest.Servers, n *broker.NATS) { restrict(t, s, n, "$SYS.REQ.SERVER.>") },
		},
		{
			name: "a user who may not push accounts", want: "CLAIMS.UPDATE",
			change: func(t *testing.T, s *natstest.Servers, n *broker.NATS) { restrict(t, s, n, "$SYS.REQ.CLAIMS.>") },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := natstest.Start(t, tt.setup)
			n := using(s, newClusterKey(t))
			if tt.change != nil {
				tt.change(t, s, n)
			}
			b, err := broker.New(broker.Config{Dir: t.TempDir(), NATS: n, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Run(within(t)); err == nil || !contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// restrict gives the node a user who may not publish to a subject.
func restrict(t *testing.T, s *natstest.Servers, n *broker.NATS, subject string) {
	t.Helper()
	var may jwt.Permissions
	may.Pub.Deny.Add(subject)
	n.System = filepath.Join(t.TempDir(), "restricted.creds")
	if err := s.NewUser(n.System, may); err != nil {
		t.Fatal(err)
	}
}

// TestExternalWaitsForServers starts a node before the servers.
func TestExternalWaitsForServers(t *testing.T) {
	s := natstest.New(t, natstest.Setup{})
	b, err := broker.New(broker.Config{Dir: t.TempDir(), NATS: using(s, newClusterKey(t)), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(within(t))
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	s.StartServer(0)
	select {
	case <-b.Ready():
	case err := <-ended:
		t.Fatalf("it ended: %v", err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	again, err := broker.New(broker.Config{Dir: t.TempDir(), NATS: using(s, newClusterKey(t)), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	s.StopServer(0)
	ended2 := make(chan error, 1)
	ctx, stop = context.WithCancel(within(t))
	go func() { ended2 <- again.Run(ctx) }()
	stop()
	if err := <-ended2; err != nil {
		t.Errorf("stopped while it waits: %v", err)
	}
}

// TestExternalAway stops the only server while a node has a subscription, and starts it with what it
// had; then with nothing of what it knew of accounts.
func TestExternalAway(t *testing.T) {
	s := natstest.Start(t, natstest.Setup{})
	b, _ := start(t, broker.Config{NATS: using(s, newClusterKey(t))})
	tenant(t, b, "acme", broker.Spec{})
	sub := subscribe(t, b, "acme", broker.From{}, "a")
	publish(t, b, "acme", "a", "before")
	take(t, sub, 1)
	for _, forgets := range []bool{false, true} {
		s.StopServer(0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := b.Publish(ctx, "acme", broker.Publication{Subject: "a", Data: "away"}); !errors.Is(err, broker.ErrUnavailable) {
			t.Errorf("publish while it is away: %v", err)
		}
		if err := b.Check(within(t)); !errors.Is(err, broker.ErrUnavailable) {
			t.Errorf("check while it is away: %v", err)
		}
		if forgets {
			if err := os.RemoveAll(filepath.Join(s.Dir, "nats1", "accounts")); err != nil {
				t.Fatal(err)
			}
		}
		s.StartServer(0)
		var p broker.Position
		for ctx := within(t); ; {
			var err error
			if p, err = b.Publish(ctx, "acme", broker.Publication{Subject: "a", Data: "back", Key: fmt.Sprint("back ", forgets)}); err == nil {
				break
			}
			if ctx.Err() != nil {
				t.Fatalf("it does not come back: %v", err)
			}
		}
		if got := datas(take(t, sub, 1)); got != "back" {
			t.Errorf("the subscription has %s", got)
		}
		quiet(t, sub, p)
		// The registry is followed again.
		tenant(t, b, fmt.Sprint("later-", forgets), broker.Spec{})
	}
}

// TestExternalNodes has two nodes on three servers, of which one is lost.
func TestExternalNodes(t *testing.T) {
	s := natstest.Start(t, natstest.Setup{Servers: 3})
	key := newClusterKey(t)
	var brokers []*broker.Broker
	var stops []func()
	for i := range 2 {
		b, stop := start(t, broker.Config{NATS: using(s, key), Node: fmt.Sprint("n", i+1), Logger: slog.New(slog.DiscardHandler)})
		brokers, stops = append(brokers, b), append(stops, stop)
	}
	tenant(t, brokers[0], "acme", broker.Spec{})
	first := publish(t, brokers[0], "acme", "a", "0")
	if n := brokers[0].Copies(within(t), t, "acme"); n != 3 {
		t.Errorf("there are %d copies of a history, not 3", n)
	}
	other := subscribe(t, brokers[1], "acme", broker.From{After: first.String()}, "a")
	h := newHolders(brokers, 20)
	defer h.end()
	h.settle(t, 2)
	s.StopServer(0)
	for n := range 20 {
		ctx := within(t)
		for {
			_, err := brokers[n%2].Publish(ctx, "acme", broker.Publication{Subject: "a", Data: fmt.Sprint(n), Key: fmt.Sprint(n)})
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				t.Fatal(err)
			}
		}
	}
	for n, e := range take(t, other, 20) {
		if e.Data != fmt.Sprint(n) {
			t.Errorf("%s comes as number %d", e.Data, n)
		}
	}
	stops[1]()
	h.settle(t, 1)
}

// TestExternalNeedsFewPermissions has a user of the system account who may do no more than it takes.
func TestExternalNeedsFewPermissions(t *testing.T) {
	s := natstest.Start(t, natstest.Setup{})
	n := using(s, newClusterKey(t))
	n.System = filepath.Join(t.TempDir(), "few.creds")
	var may jwt.Permissions
	may.Pub.Allow.Add("$SYS.REQ.SERVER.PING.*", "$SYS.REQ.CLAIMS.*", "$JS.API.ACCOUNT.PURGE.*")
	may.Sub.Allow.Add("_INBOX.>")
	if err := s.NewUser(n.System, may); err != nil {
		t.Fatal(err)
	}
	b, _ := start(t, broker.Config{NATS: n})
	tenant(t, b, "acme", broker.Spec{})
	publish(t, b, "acme", "a", "1")
	if err := b.DeleteTenant(within(t), "acme"); err != nil {
		t.Error(err)
	}
}

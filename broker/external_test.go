package broker_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/broker/cluster"
	"github.com/millrace/millrace/broker/natstest"
)

func newKey(t testing.TB) *cluster.Key {
	t.Helper()
	key, err := cluster.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// using is how a node uses servers.
func using(s *natstest.Servers, key *cluster.Key) *broker.NATS {
	return &broker.NATS{URLs: s.URLs, Key: key, Operator: s.SigningKey, System: s.Credentials}
}

func TestExternalSmoke(t *testing.T) {
	for _, setup := range []natstest.Setup{{}, {Strict: true}, {Servers: 3}} {
		s := natstest.Start(t, setup)
		b, _ := start(t, broker.Config{NATS: using(s, newKey(t))})
		tenant(t, b, "acme", broker.Spec{})
		p := publish(t, b, "acme", "a", "1")
		if p.Seq != 1 {
			t.Error(p)
		}
		if err := b.DeleteTenant(within(t), "acme"); err != nil {
			t.Error(err)
		}
	}
}

var _ = os.Getenv
var _ = filepath.Join
var _ = strings.Join

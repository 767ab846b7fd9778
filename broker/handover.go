package broker

import (
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// handOverTime bounds how long a node that stops waits for others to lead what it led.
const handOverTime = 2 * time.Second

// handOver gives what this node leads to the others before it stops, and waits until they lead it.
// Otherwise each stream that it leads would be without a leader until the others have missed it, for
// four to nine seconds.
func (n *node) handOver(system *nats.Conn) {
	led, _, err := n.leads()
	if err != nil {
		n.log.Warn("node does not know what it leads", "error", err)
		return
	}
	for _, s := range led {
		if err := n.server.JetStreamStepdownStream(s.account, s.stream); err != nil {
			n.log.Debug("stream is not handed over", "account", s.account, "stream", s.stream, "error", err)
		}
	}
	if n.server.JetStreamIsLeader() {
		system.Publish("$JS.API.META.LEADER.STEPDOWN", nil) // if it is lost, the others elect one in time
	}
	deadline := time.Now().Add(handOverTime)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for now := range tick.C {
		led, pending, err := n.leads()
		if err != nil || len(led) == 0 && !pending && !n.server.JetStreamIsLeader() || now.After(deadline) {
			return
		}
	}
}

// ledStream is a stream that this node leads.
type ledStream struct{ account, stream string }

// leads returns the streams of several copies that this node leads; pending if one of those that it
// has a copy of has no leader.
func (n *node) leads() (led []ledStream, pending bool, err error) {
	state, err := n.server.Jsz(&server.JSzOptions{Accounts: true, Streams: true, Limit: 1 << 20})
	if err != nil {
		return nil, false, err
	}
	for _, account := range state.AccountDetails {
		for _, stream := range account.Streams {
			switch {
			case stream.Cluster == nil || len(stream.Cluster.Replicas) == 0:
			case stream.Cluster.Leader == n.server.Name():
				led = append(led, ledStream{account.Id, stream.Name})
			case stream.Cluster.Leader == "":
				pending = true
			}
		}
	}
	return led, pending, nil
}

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

// leads returns the streams of several copies that this node leads; pending if one of those that it
// has a copy of has no leader.
func (n *node) leads() (led []streamID, pending bool, err error) {
	all, err := n.streams()
	for _, s := range all {
		switch s.leader {
		case n.server.Name():
			led = append(led, s.streamID)
		case "":
			pending = true
		}
	}
	return led, pending, err
}

// replica is this node's copy of a stream that has several.
type replica struct {
	streamID
	leader string // the node's name; none while there is none
}

// streams returns the copies that this node has of streams with several.
func (n *node) streams() (all []replica, err error) {
	accounts, err := n.accounts()
	for _, account := range accounts {
		for _, s := range account.Streams {
			if s.Cluster != nil && len(s.Cluster.Replicas) > 0 {
				all = append(all, replica{streamID{account.Id, s.Name}, s.Cluster.Leader})
			}
		}
	}
	return all, err
}

// accounts returns what the server knows of each account and its streams. It looks at each stream.
func (n *node) accounts() ([]*server.AccountDetail, error) {
	state, err := n.server.Jsz(&server.JSzOptions{Accounts: true, Streams: true, Limit: 1 << 20})
	if err != nil {
		return nil, err
	}
	for _, account := range state.AccountDetails {
		// The server reads an account's name after it let go of its lock, and new claims write the same
		// name again under it. Taking the lock once more orders the two.
		if acc, err := n.server.LookupAccount(account.Id); err == nil {
			acc.GetName()
		}
	}
	return state.AccountDetails, nil
}

package broker

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/millrace/millrace/broker/cluster"
)

// The times of membership. A node that died is noticed after a term at the latest, and a second later
// others do its work.
const (
	memberTerm   = 6 * time.Second
	memberBeat   = time.Second
	memberLook   = 250 * time.Millisecond
	memberSettle = time.Second // after who lives has changed, so that the old owner of a key has let go
)

const (
	beatSubject = "node.beat"
	leftSubject = "node.left"
)

// beat is what a node says each second, and at its end.
type beat struct {
	Node  string `json:"node"`
	Life  string `json:"life"`            // random; of one process
	Count uint64 `json:"count"`           // grows
	Rests bool   `json:"rests,omitempty"` // it lives, and is to get no work
}

// members is this node's membership in its cluster: which others live, and whether it may act itself.
// It may while most of the nodes that the registry knows have answered it of late. Beats are plain
// messages, not records: so no election of a stream's leader takes a node's work from it.
type members struct {
	self  beat
	only  bool // this node only looks on: it says nothing, and so may never act
	free  bool // it takes no others to act
	nc    *nats.Conn
	known func() int // nodes that there are to be members, dead ones too
	rest  *rest
	log   *slog.Logger

	// The goroutine's own.
	seen    *cluster.Members
	lives   map[string]string // by node
	resting map[string]bool   // nodes
	lease   cluster.Lease
	sent    time.Time // of the last beat
	answers map[string]bool
	clocks  clocks

	mu     sync.Mutex
	began  time.Time
	live   []string
	work   []string      // those of live that do not rest: each key is one's
	may    bool          // this node may act
	since  time.Time     // of live, work and may
	moved  chan struct{} // closed when they change
	offset time.Duration // see Broker.ClockOffset
	lost   time.Time     // since when this node is not among most of the nodes; zero while it is
}

func newMembers(c Config, nc *nats.Conn, known func() int, rest *rest) *members {
	return &members{
		self: beat{Node: c.Node, Life: randomID()}, only: c.edge(), free: c.NATS != nil, nc: nc, known: known, rest: rest, log: c.Logger,
		seen: cluster.NewMembers(memberTerm), lives: map[string]string{}, resting: map[string]bool{}, clocks: clocks{},
		moved: make(chan struct{}), lost: time.Now(),
	}
}

// run keeps the membership until ctx ends, and calls changed when it has changed.
func (m *members) run(ctx context.Context, changed func()) error {
	incoming := make(chan *nats.Msg, 256) // what does not fit is lost, as on the way
	inbox := m.nc.NewRespInbox()
	for _, subject := range []string{beatSubject, leftSubject, inbox} {
		sub, err := m.nc.ChanSubscribe(subject, incoming)
		if err != nil {
			return err
		}
		defer sub.Unsubscribe()
	}
	tick := time.NewTicker(memberLook)
	defer tick.Stop()
	m.mu.Lock()
	m.began = time.Now()
	m.mu.Unlock()
	for {
		if rests := m.rest.taken(); !m.only && (time.Since(m.sent) >= memberBeat || rests != m.self.Rests) {
			m.self.Rests = rests
			m.beat(inbox)
		}
		if m.look(time.Now()) {
			changed()
		}
		select {
		case msg := <-incoming:
			m.take(msg, inbox)
		case <-tick.C:
		case <-ctx.Done():
			m.say(leftSubject, "")
			m.nc.Flush() // an error is the connection's end; the others notice by the term
			return nil
		}
	}
}

// beat tells the others that this node lives, and asks them to say that they have heard it.
func (m *members) beat(inbox string) {
	m.self.Count++
	m.sent, m.answers = time.Now(), map[string]bool{}
	m.say(beatSubject, inbox)
}

// say publishes the node's beat. What is lost is said again a beat later.
func (m *members) say(subject, reply string) {
	data, err := json.Marshal(m.self)
	if err != nil {
		panic(err) // strings and a number
	}
	m.nc.PublishMsg(&nats.Msg{Subject: subject, Reply: reply, Data: data}) // a lost connection is noticed by the term
}

// take handles what another node said, or this one itself.
func (m *members) take(msg *nats.Msg, inbox string) {
	var b beat
	if json.Unmarshal(msg.Data, &b) != nil || b.Node == "" {
		return
	}
	now := time.Now()
	switch msg.Subject {
	case inbox:
		if b.Count != m.self.Count || b.Life != m.self.Life {
			return // the answer to an earlier beat
		}
		m.answers[msg.Header.Get("Node")] = true
		m.clocks.saw(msg.Header.Get("Node"), msg, m.sent)
		if len(m.answers) >= m.needed() {
			m.lease.Renew(m.sent, memberTerm)
		}
	case leftSubject:
		m.seen.Left(b.Node)
	default:
		if m.lives[b.Node] != b.Life { // the process is another: its count begins anew
			m.seen.Left(b.Node)
			m.lives[b.Node] = b.Life
		}
		m.seen.Saw(b.Node, b.Count, now)
		m.resting[b.Node] = b.Rests
		if m.only {
			return
		}
		answer := &nats.Msg{Subject: msg.Reply, Data: msg.Data, Header: nats.Header{
			"Node": {m.self.Node}, timeHeader: {strconv.FormatInt(now.UnixNano(), 10)},
		}}
		m.nc.PublishMsg(answer) // an answer that is lost is given again a beat later
	}
}

// look brings live, work and may up to date; true if they have changed.
func (m *members) look(now time.Time) bool {
	live, may := m.seen.Live(now), m.lease.Left(now) > 0
	work := slices.DeleteFunc(slices.Clone(live), func(node string) bool { return m.resting[node] })
	with := may || m.only && (m.free || len(live) >= m.needed())
	if len(live) < m.known() && now.Sub(m.began) < memberTerm {
		may = false // it may just not have heard all others yet
	}
	offset := m.clocks.offset(m.self.Node, live)
	m.mu.Lock()
	defer m.mu.Unlock()
	if off := offset.Abs() > clockSlack; off != (m.offset.Abs() > clockSlack) {
		m.log.Warn("clock is compared with those of other nodes", "differs", off, "theirs_ahead", offset)
	}
	m.offset = offset
	switch {
	case with:
		m.lost = time.Time{}
	case m.lost.IsZero():
		m.lost = now
	}
	if may == m.may && slices.Equal(live, m.live) && slices.Equal(work, m.work) {
		return false
	}
	m.live, m.work, m.may, m.since = live, work, may, now
	close(m.moved)
	m.moved = make(chan struct{})
	return true
}

// apart is how long this node has not been among most of the nodes, 0 if it is.
func (m *members) apart(now time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lost.IsZero() {
		return 0
	}
	return max(now.Sub(m.lost), 1)
}

// needed is how many nodes have to hear one another so that they may act. Where they only meet at an
// external NATS, that is what some could be cut off from, but not some of them from others: each that
// is heard there may act.
func (m *members) needed() int {
	if m.free {
		return 1
	}
	return m.known()/2 + 1
}

// doubtTime is longer than a stream's new leader takes to know all that was acknowledged, and than an
// old one that is cut off from most nodes takes to notice.
const doubtTime = 10 * time.Second

// doubts tells whether a leader's word that history ends before what was seen of it is not to be
// believed yet. since is when it said so first, set here.
func (b *Broker) doubts(since *time.Time) bool {
	if b.members == nil {
		return false
	}
	if since.IsZero() {
		*since = time.Now()
	}
	return time.Since(*since) < doubtTime || b.Apart() > 0
}

// owns tells whether key is this node's now, as far as it can tell.
func (m *members) owns(key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.may && cluster.Owner(key, m.work) == m.self.Node
}

// wait returns once key is this node's, and has been for long enough that its old owner knows.
func (m *members) wait(ctx context.Context, key string) error {
	for {
		m.mu.Lock()
		mine := m.may && cluster.Owner(key, m.work) == m.self.Node
		left, moved := memberSettle-time.Since(m.since), m.moved
		m.mu.Unlock()
		if mine && left <= 0 {
			return nil
		}
		var settled <-chan time.Time
		if mine {
			settled = time.After(left)
		}
		select {
		case <-moved:
		case <-settled:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Apart is how long this node has been without most of its cluster's nodes: cut off, or the others are
// down. 0 is for a node that has them, and for one that is alone. So it is on an external NATS: that it
// is away may be so for all nodes, and no other would be better for a viewer.
func (b *Broker) Apart() time.Duration {
	if !b.isReady() || b.members == nil || b.members.free {
		return 0
	}
	return b.members.apart(time.Now())
}

// knows tells whether this node has been there for long enough to have heard of all that live.
func (m *members) knows() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.began.IsZero() && time.Since(m.began) > 2*memberTerm
}

// count is how many nodes live.
func (m *members) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.live)
}

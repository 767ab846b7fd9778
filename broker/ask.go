package broker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// MaxAnswerBytes is the most that a node can answer.
const MaxAnswerBytes = 1 << 20

const (
	askPrefix    = "ask."
	askTime      = time.Second            // for all nodes to answer
	askSettle    = 250 * time.Millisecond // for nodes to answer of which it is not known whether they live
	answerTime   = 15 * time.Second       // for one node that is asked alone
	maxAnswering = 64                     // questions on a topic at a time
	nodeHeader   = "Node"
)

// Alone tells whether there are no other nodes to ask.
func (b *Broker) Alone() bool { return !b.config.shared() }

// Ask puts a question to all other nodes and returns their answers, by node, and the nodes that are
// known and have not answered within a second; nodes that seem dead are not waited for so long.
func (b *Broker) Ask(ctx context.Context, topic string, question []byte) (answers map[string][]byte, silent []string, err error) {
	if err := b.serving(ctx); err != nil || b.members == nil {
		return nil, nil, err
	}
	nc := b.members.nc
	incoming := make(chan *nats.Msg, 256) // what does not fit is of nodes that are then silent
	inbox := nc.NewRespInbox()
	sub, err := nc.ChanSubscribe(inbox, incoming)
	if err != nil {
		return nil, nil, fmt.Errorf("ask other nodes: %w: %w", ErrUnavailable, err)
	}
	defer sub.Unsubscribe()
	if err := nc.PublishRequest(askPrefix+topic, inbox, question); err != nil {
		return nil, nil, fmt.Errorf("ask other nodes: %w: %w", ErrUnavailable, err)
	}
	answers = b.gather(ctx, incoming)
	for _, node := range slices.Sorted(maps.Keys(b.others())) {
		if _, ok := answers[node]; !ok {
			silent = append(silent, node)
		}
	}
	return answers, silent, nil
}

// gather collects answers until all nodes have given theirs or the time is over.
func (b *Broker) gather(ctx context.Context, incoming <-chan *nats.Msg) map[string][]byte {
	others := b.others()
	living := len(others)
	for _, lives := range others {
		if !lives {
			living--
		}
	}
	answers := map[string][]byte{}
	end, settled := time.NewTimer(askTime), time.NewTimer(askSettle)
	defer end.Stop()
	defer settled.Stop()
	late := false
	for len(others) > 0 && (living > 0 || !late) {
		select {
		case m := <-incoming:
			node := m.Header.Get(nodeHeader)
			if node == "" { // the server's word that nobody listens
				return answers
			}
			if _, twice := answers[node]; twice || node == b.config.Node {
				continue
			}
			answers[node] = m.Data
			if others[node] {
				living--
			}
			delete(others, node)
		case <-settled.C:
			late = true
		case <-end.C:
			return answers
		case <-ctx.Done():
			return answers
		}
	}
	return answers
}

// others are the other nodes that are known, and whether each is known to live.
func (b *Broker) others() map[string]bool {
	all := map[string]bool{}
	b.registry.mu.RLock()
	for node := range b.registry.nodes {
		all[node] = false
	}
	b.registry.mu.RUnlock()
	for _, node := range b.members.living() {
		all[node] = true
	}
	delete(all, b.config.Node)
	return all
}

// living are the nodes that live.
func (m *members) living() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.live)
}

// AskNode puts a question to one other node. ErrUnavailable if it does not answer within 15 s.
func (b *Broker) AskNode(ctx context.Context, node, topic string, question []byte) ([]byte, error) {
	if err := b.serving(ctx); err != nil {
		return nil, err
	}
	if b.members == nil {
		return nil, fmt.Errorf("ask node %s: %w", node, ErrNotFound)
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	m, err := b.members.nc.RequestWithContext(ctx, askPrefix+topic+"."+node, question)
	if err != nil {
		return nil, fmt.Errorf("ask node %s: %w: %w", node, ErrUnavailable, err)
	}
	return m.Data, nil
}

// Answer answers what other nodes ask on a topic, until ctx or the Broker ends. It calls answer for up
// to 64 questions at a time; more get none, nor does one whose answer has more than MaxAnswerBytes.
// The answer must not need the question's bytes after it was given.
func (b *Broker) Answer(ctx context.Context, topic string, answer func(ctx context.Context, question []byte) []byte) error {
	if err := b.serving(ctx); ctx.Err() != nil {
		return nil
	} else if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(b.ctx, cancel)()
	if b.members == nil {
		<-ctx.Done()
		return nil
	}
	nc := b.members.nc
	asked := make(chan *nats.Msg, maxAnswering)
	for _, subject := range []string{askPrefix + topic, askPrefix + topic + "." + b.config.Node} {
		sub, err := nc.ChanSubscribe(subject, asked)
		if err != nil {
			return fmt.Errorf("answer other nodes: %w", err)
		}
		defer sub.Unsubscribe()
	}
	var answering sync.WaitGroup
	defer answering.Wait()
	slots := make(chan struct{}, maxAnswering)
	for {
		select {
		case m := <-asked:
			select {
			case slots <- struct{}{}:
				answering.Go(func() {
					b.answer(ctx, m, answer)
					<-slots
				})
			default: // who asks can ask again
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (b *Broker) answer(ctx context.Context, m *nats.Msg, answer func(ctx context.Context, question []byte) []byte) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	data := answer(ctx, m.Data)
	if len(data) > MaxAnswerBytes {
		b.config.Logger.Error("answer to another node is too big", "subject", m.Subject, "bytes", len(data))
		return
	}
	// One that is lost leaves this node silent, which who asks can tell.
	_ = m.RespondMsg(&nats.Msg{Data: data, Header: nats.Header{nodeHeader: {b.config.Node}}})
}

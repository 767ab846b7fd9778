package broker_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/broker"
)

// answering has a node answer on a topic until the test ends.
func answering(t *testing.T, b *broker.Broker, topic string, answer func(ctx context.Context, question []byte) []byte) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Answer(ctx, topic, answer) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, broker.ErrClosed) && !errors.Is(err, context.Canceled) {
			t.Errorf("Answer = %v", err)
		}
	})
}

func TestNodesAnswerEachOther(t *testing.T) {
	c := startCluster(t, 3)
	for i, b := range c.brokers {
		answering(t, b, "echo", func(_ context.Context, question []byte) []byte {
			return append([]byte(c.config(i).Node+" heard "), question...)
		})
		answering(t, b, "big", func(context.Context, []byte) []byte { return make([]byte, broker.MaxAnswerBytes+i-1) })
		answering(t, b, "slow", func(ctx context.Context, _ []byte) []byte {
			if i == 2 {
				<-ctx.Done()
			}
			return nil
		})
	}
	ask := func(topic string) (from, silent []string) {
		t.Helper()
		answers, silent, err := c.brokers[0].Ask(within(t), topic, []byte("hello"))
		if err != nil {
			t.Fatal(err)
		}
		for node, answer := range answers {
			if topic == "echo" && string(answer) != node+" heard hello" {
				t.Errorf("%s answers %q", node, answer)
			}
			from = append(from, node)
		}
		slices.Sort(from)
		return from, silent
	}
	want := func(topic string, wantFrom, wantSilent []string) {
		t.Helper()
		var from, silent []string
		for end := time.Now().Add(30 * time.Second); time.Now().Before(end); { // until all listen
			if from, silent = ask(topic); slices.Equal(from, wantFrom) && slices.Equal(silent, wantSilent) {
				return
			}
		}
		t.Errorf("on %s answer %q and are silent %q, want %q and %q", topic, from, silent, wantFrom, wantSilent)
	}
	want("echo", []string{"n2", "n3"}, nil)
	want("slow", []string{"n2"}, []string{"n3"})
	want("big", []string{"n2"}, []string{"n3"})
	want("nothing", nil, []string{"n2", "n3"})

	answer, err := c.brokers[0].AskNode(within(t), "n3", "echo", []byte("you"))
	if err != nil || !bytes.Equal(answer, []byte("n3 heard you")) {
		t.Errorf("AskNode = %q, %v", answer, err)
	}
	if _, err := c.brokers[0].AskNode(within(t), "n9", "echo", nil); !errors.Is(err, broker.ErrUnavailable) {
		t.Errorf("a node that is none: %v", err)
	}
	c.stops[2]()
	want("echo", []string{"n2"}, []string{"n3"})
}

func TestANodeThatIsAloneAsksNobody(t *testing.T) {
	b, _ := start(t, broker.Config{Dir: t.TempDir()})
	answering(t, b, "echo", func(context.Context, []byte) []byte { return nil })
	if answers, silent, err := b.Ask(within(t), "echo", nil); len(answers)+len(silent) > 0 || err != nil || !b.Alone() {
		t.Errorf("Ask = %v, %v, %v", answers, silent, err)
	}
	if _, err := b.AskNode(within(t), "n2", "echo", nil); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("AskNode: %v", err)
	}
}

package broker_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace/broker"
)

func TestPublishRefuses(t *testing.T) {
	b, _ := start(t, broker.Config{MaxEventBytes: 1000})
	tenant(t, b, "acme", broker.Spec{})
	for _, tt := range []struct {
		name  string
		p     broker.Publication
		field string // "" for too big
	}{
		{"data over the limit", broker.Publication{Subject: "a", Data: strings.Repeat("x", 1001)}, ""},
		{"data that is not UTF-8", broker.Publication{Subject: "a", Data: "\xff"}, "event"},
		{"a name with a line break", broker.Publication{Subject: "a", Name: "x\ny"}, "event"},
		{"a long name", broker.Publication{Subject: "a", Name: strings.Repeat("x", 257)}, "event"},
		{"a long key", broker.Publication{Subject: "a", Key: strings.Repeat("x", 513)}, "key"},
		{"a wildcard", broker.Publication{Subject: "a.*"}, "subject"},
	} {
		_, err := b.Publish(within(t), "acme", tt.p)
		_, batchErr := b.PublishBatch(within(t), "acme", []broker.Publication{{Subject: "a"}, tt.p})
		for _, err := range []error{err, batchErr} {
			var bad *broker.InvalidError
			if tt.field == "" && !errors.Is(err, broker.ErrTooBig) || tt.field != "" && (!errors.As(err, &bad) || bad.Field != tt.field) {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
	}
	if _, err := b.PublishBatch(within(t), "acme", make([]broker.Publication, broker.MaxBatch+1)); !errors.Is(err, broker.ErrTooBig) {
		t.Errorf("a batch of too many: %v", err)
	}
	if p := publish(t, b, "acme", "a", strings.Repeat("x", 1000)); p.Seq != 1 {
		t.Errorf("something of it was stored: %s", p)
	}
}

func TestPublishTwiceWithAKey(t *testing.T) {
	b, _ := start(t, broker.Config{})
	tenant(t, b, "acme", broker.Spec{})
	tenant(t, b, "other", broker.Spec{})
	p := broker.Publication{Subject: "a", Data: "1", Key: "k 🙂\r\n"}
	var first broker.Position
	for i := range 3 {
		at, err := b.Publish(within(t), "acme", p)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = at
		}
		if at != first {
			t.Errorf("stored again at %s, not %s", at, first)
		}
	}
	if at, err := b.Publish(within(t), "other", p); err != nil || at.Epoch == first.Epoch {
		t.Errorf("another tenant's: %s, %v", at, err)
	}
	if at := publish(t, b, "acme", "a", "1"); at.Seq != first.Seq+1 {
		t.Errorf("without a key: %s", at)
	}
}

func TestBatchWithKeys(t *testing.T) {
	b, _ := start(t, broker.Config{})
	testBatchWithKeys(t, b)
}

func testBatchWithKeys(t *testing.T, b *broker.Broker) {
	tenant(t, b, "keys", broker.Spec{})
	batch := func(keys string) []uint64 {
		t.Helper()
		var ps []broker.Publication
		for _, k := range strings.Fields(keys) {
			ps = append(ps, broker.Publication{Subject: "a", Data: k, Key: strings.Trim(k, "-")})
		}
		at, err := b.PublishBatch(within(t), "keys", ps)
		if err != nil {
			t.Fatal(err)
		}
		var seqs []uint64
		for _, p := range at {
			seqs = append(seqs, p.Seq)
		}
		return seqs
	}
	for _, tt := range []struct{ name, keys, want string }{
		{"all new", "a b c", "[1 2 3]"},
		{"all again", "a b c", "[1 2 3]"},
		{"in another order", "c a b", "[3 1 2]"},
		{"some new", "x a y c", "[4 1 5 3]"},
		{"a key twice in one batch", "z w z", "[6 7 6]"},
		{"without keys, and one used before", "- a -", "[8 1 9]"},
		{"none", "", "[]"},
		{"one", "v", "[10]"},
	} {
		if got := fmt.Sprint(batch(tt.keys)); got != tt.want {
			t.Errorf("%s: %s, not %s", tt.name, got, tt.want)
		}
	}
	if p, err := b.Publish(within(t), "keys", broker.Publication{Subject: "a", Key: "b"}); err != nil || p.Seq != 2 {
		t.Errorf("a batch's key published alone: %s, %v", p, err)
	}
}

// TestConcurrentBatches has batches with common keys at once: each key is stored once, each batch's
// new events next to each other.
func TestConcurrentBatches(t *testing.T) {
	b, _ := start(t, broker.Config{})
	tenant(t, b, "acme", broker.Spec{})
	const writers, each = 8, 20
	var mu sync.Mutex
	byKey := map[string]broker.Position{}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				ps := []broker.Publication{
					{Subject: "a", Key: fmt.Sprint("own", w, i, 0)},
					{Subject: "a", Key: fmt.Sprint("common", i)},
					{Subject: "a", Key: fmt.Sprint("own", w, i, 1)},
				}
				at, err := b.PublishBatch(within(t), "acme", ps)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for n, p := range at {
					if old, ok := byKey[ps[n].Key]; ok && old != p {
						t.Errorf("key %s is at %s and %s", ps[n].Key, old, p)
					}
					byKey[ps[n].Key] = p
				}
				mu.Unlock()
				if d := at[2].Seq - at[0].Seq; d != 1 && d != 2 {
					t.Errorf("events of one batch are at %d and %d", at[0].Seq, at[2].Seq)
				}
			}
		})
	}
	wg.Wait()
	if last := publish(t, b, "acme", "a", ""); last.Seq != writers*each*2+each+1 {
		t.Errorf("the next is %d", last.Seq)
	}
}

// TestABatchThatTheServerDidNotTakeIsSentAgain has others begin as many batches as a
// stream may have open. The commit of another one finds no batch, as after an election.
func TestABatchThatTheServerDidNotTakeIsSentAgain(t *testing.T) {
	b, _ := start(t, broker.Config{})
	tenant(t, b, "acme", broker.Spec{})
	publish(t, b, "acme", "a", "")
	endOne := b.OpenBatches(within(t), t, "acme", "a")
	done := make(chan error, 1)
	go func() {
		_, err := b.PublishBatch(within(t), "acme", []broker.Publication{{Subject: "a", Key: "1"}, {Subject: "a", Key: "2"}})
		done <- err
	}()
	endOne()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestAHistoryThatCannotBeMadeYet has a file where a tenant's folder has to be, which the server takes
// away when it fails at it. In a cluster a server may likewise lack the folder for a moment.
func TestAHistoryThatCannotBeMadeYet(t *testing.T) {
	dir := t.TempDir()
	b, _ := start(t, broker.Config{Dir: dir})
	tenant(t, b, "acme", broker.Spec{})
	file := filepath.Join(b.TenantFolder(within(t), t, dir, "acme"), "streams")
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	publish(t, b, "acme", "a", "")
}

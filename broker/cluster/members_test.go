package cluster_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/broker/cluster"
)

const term = 4 * time.Second

func TestMembers(t *testing.T) {
	start := time.Now()
	type record struct {
		node  string
		count uint64 // 0: it left
		at    time.Duration
	}
	for _, tt := range []struct {
		name    string
		records []record
		at      time.Duration
		want    []string
	}{
		{"nobody", nil, 0, nil},
		{"those who renew live", []record{{"b", 1, 0}, {"a", 2, 0}, {"b", 3, 3 * time.Second}}, 3 * time.Second, []string{"a", "b"}},
		{"who does not renew is dead after the term", []record{{"a", 1, 0}, {"b", 2, time.Second}}, term, []string{"b"}},
		{"a record that has not changed is no sign of life", []record{{"a", 1, 0}, {"a", 1, 3 * time.Second}}, term, nil},
		{"nor is an older one", []record{{"a", 2, 0}, {"a", 1, 3 * time.Second}}, term, nil},
		{"who left is gone at once", []record{{"a", 1, 0}, {"a", 0, 0}}, 0, nil},
		{"who left comes back", []record{{"a", 1, 0}, {"a", 0, 0}, {"a", 2, 0}}, 0, []string{"a"}},
		{"who was dead comes back", []record{{"a", 1, 0}, {"a", 2, 2 * term}}, 2 * term, []string{"a"}},
	} {
		m := cluster.NewMembers(term)
		for _, r := range tt.records {
			if r.count == 0 {
				m.Left(r.node)
			} else {
				m.Saw(r.node, r.count, start.Add(r.at))
			}
		}
		if got := m.Live(start.Add(tt.at)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: live are %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestNoNodeActsOnceOthersTakeItForDead plays a node that renews through a slow and lossy cluster,
// and an observer. While the observer has seen all that the node was told is stored, the node never
// holds its lease and is taken for dead.
func TestNoNodeActsOnceOthersTakeItForDead(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed: %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	const step, length = 10 * time.Millisecond, time.Hour
	var (
		lease            cluster.Lease
		members          = cluster.NewMembers(term)
		start            = time.Now()
		pending          []renewal
		held, dead, both int
		seen, told       uint64 // the last renewal that the observer saw, and that the node was told of
	)
	for at := time.Duration(0); at < length; at += step {
		now := start.Add(at)
		if r.IntN(200) == 0 { // on average every two seconds
			pending = append(pending, newRenewal(r, uint64(at/step)+1, at))
		}
		for _, w := range pending {
			if w.observed == at {
				members.Saw("a", w.revision, now)
				seen = max(seen, w.revision)
			}
			if w.told == at {
				lease.Renew(start.Add(w.sent), term)
				told = max(told, w.revision)
			}
		}
		pending = slices.DeleteFunc(pending, func(w renewal) bool { return max(w.observed, w.told) <= at })
		holds, lives := lease.Left(now) > 0, len(members.Live(now)) > 0
		switch {
		case holds && lives:
			held++
		case holds && seen >= told:
			t.Fatalf("at %s the node holds its lease and is taken for dead", at)
		case holds:
			both++
		case !lives:
			dead++
		}
	}
	t.Logf("of %d steps %d with a lease, %d dead, %d with a lease that the observer does not know of", length/step, held, dead, both)
	if held < 1000 || dead < 1000 {
		t.Error("the play has too little of one state to show anything")
	}
}

type renewal struct {
	revision             uint64
	sent, observed, told time.Duration
}

// newRenewal is sent at a time, stored some time later, and after that observed and confirmed. One in
// three is never confirmed.
func newRenewal(r *rand.Rand, revision uint64, sent time.Duration) renewal {
	upTo := func(d time.Duration) time.Duration {
		return time.Duration(r.Int64N(int64(d/(10*time.Millisecond)))) * 10 * time.Millisecond
	}
	stored := sent + 10*time.Millisecond + upTo(3*term/2)
	w := renewal{revision, sent, stored + upTo(time.Second), stored + upTo(time.Second)}
	if r.IntN(3) == 0 {
		w.told = 0
	}
	return w
}

func TestALeaseThatWasNeverGranted(t *testing.T) {
	var lease cluster.Lease
	now := time.Now()
	if left := lease.Left(now); left > 0 {
		t.Errorf("%s are left", left)
	}
	lease.Renew(now, term)
	lease.Renew(now.Add(-time.Hour), term) // an answer that comes late takes nothing back
	if left := lease.Left(now); left != 3*time.Second {
		t.Errorf("%s are left, want 3s", left)
	}
}

package cluster_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/broker/cluster"
)

func names(prefix string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%s%d", prefix, i)
	}
	return list
}

// TestOnlyWhatMustMoveMoves: when a node goes, only its own work moves; when it comes back, that very
// work returns. The order in which nodes are listed does not matter.
func TestOnlyWhatMustMoveMoves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z0-9-]{1,12}`), 1, 8, rapid.ID).Draw(t, "nodes")
		gone := rapid.SampledFrom(nodes).Draw(t, "gone")
		rest := slices.DeleteFunc(slices.Clone(nodes), func(n string) bool { return n == gone })
		shuffled := rapid.Permutation(nodes).Draw(t, "shuffled")
		for _, key := range rapid.SliceOfN(rapid.String(), 1, 50).Draw(t, "keys") {
			before, after := cluster.Owner(key, nodes), cluster.Owner(key, rest)
			switch {
			case !slices.Contains(nodes, before):
				t.Fatalf("%q is owned by %q, which is none of %q", key, before, nodes)
			case before != gone && after != before:
				t.Fatalf("%q moves from %q to %q when %q goes", key, before, after, gone)
			case before == gone && after == gone:
				t.Fatalf("%q stays with %q, which is gone", key, gone)
			}
			if again := cluster.Owner(key, shuffled); again != before {
				t.Fatalf("%q is owned by %q of %q, and by %q of %q", key, before, nodes, again, shuffled)
			}
		}
	})
}

func TestWorkIsSpreadEvenly(t *testing.T) {
	const work = 3000
	for _, n := range []int{2, 3, 5, 10} {
		counts := map[string]int{}
		for _, key := range names("acme/source-", work) {
			counts[cluster.Owner(key, names("n", n))]++
		}
		for node, count := range counts {
			if fair := work / n; count < fair*8/10 || count > fair*12/10 {
				t.Errorf("of %d nodes, %s has %d of %d", n, node, count, work)
			}
		}
		if len(counts) != n {
			t.Errorf("%d nodes, %d of them have work", n, len(counts))
		}
	}
}

func TestNobodyOwnsWithoutNodes(t *testing.T) {
	if owner := cluster.Owner("key", nil); owner != "" {
		t.Errorf("owner %q", owner)
	}
}

// TestOwnersAreTheSameInEveryVersion: nodes of two versions must agree, so these never change.
func TestOwnersAreTheSameInEveryVersion(t *testing.T) {
	got := ""
	for _, key := range names("acme/source-", 12) {
		got += cluster.Owner(key, []string{"n1", "n2", "n3"}) + " "
	}
	if want := "n3 n3 n3 n2 n1 n2 n3 n1 n2 n2 n2 n2 "; got != want {
		t.Errorf("owners %q, want %q", got, want)
	}
}

func BenchmarkOwnersOfAThousand(b *testing.B) {
	keys, nodes := names("acme/source-", 1000), names("n", 5)
	for b.Loop() {
		for _, key := range keys {
			cluster.Owner(key, nodes)
		}
	}
}

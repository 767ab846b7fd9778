package main

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

func threeNodes() Cell { return Cell{Nodes: 3, Machine: reference(), Costs: measured()} }

func TestEachWallIsReachedByTheLoadThatLeadsToIt(t *testing.T) {
	for _, tt := range []struct {
		want   Wall
		tenant Tenant
		of     float64 // such tenants
	}{
		{Processor, Tenant{Viewers: 10, Events: 20}, 1900},
		{Memory, Tenant{Routes: 2000}, 1000},
		{Network, Tenant{Viewers: 1000, Events: 100, Share: 1}, 1},
		{OpenFiles, Tenant{Viewers: 1000}, 500},
		{Histories, Tenant{Viewers: 1}, 2001},
		{OneLog, Tenant{Events: 20_000}, 1},
	} {
		c := threeNodes()
		if tt.want == Network {
			c.Machine.BitsPerSecond = 100e6
		}
		if tt.want == OneLog {
			c.Machine.Cores = 100
		}
		var l Load
		for range int(tt.of) {
			l = l.with(tt.tenant, float64(c.Nodes))
		}
		if got, _ := c.use(l).fullest(); got != tt.want {
			t.Errorf("%.0f of %+v: %s is nearest, want %s: %.2f", tt.of, tt.tenant, got, tt.want, c.use(l))
		}
	}
}

func TestMoreTenantsNeverUseLess(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, crowd := range crowds() {
		for _, nodes := range []int{1, 3, 5} {
			c := threeNodes()
			c.Nodes = nodes
			var l Load
			for range 200 {
				next := l.with(crowd.draw(r), float64(nodes))
				before, after := c.use(l), c.use(next)
				for w := range walls {
					if after[w] < before[w] {
						t.Fatalf("%s, %d nodes: %s falls from %v to %v", crowd.Name, nodes, w, before[w], after[w])
					}
				}
				l = next
			}
		}
	}
}

func TestViewersAreOnAsManyNodesAsThereAre(t *testing.T) {
	for _, tt := range []struct{ viewers, nodes, least, most float64 }{
		{0, 3, 0, 0}, {1, 3, 1, 1}, {2, 3, 1.6, 1.7}, {100, 3, 2.999, 3}, {5, 1, 1, 1},
	} {
		if got := nodesWithViewers(tt.viewers, tt.nodes); got < tt.least-1e-9 || got > tt.most {
			t.Errorf("%v viewers are on %v of %v nodes", tt.viewers, got, tt.nodes)
		}
	}
}

func TestASimulationEndsBeforeTheWall(t *testing.T) {
	for _, crowd := range crowds() {
		one := simulate(threeNodes(), 3, crowd, Emptiest, 7)
		if again := simulate(threeNodes(), 3, crowd, Emptiest, 7); again != one {
			t.Errorf("%s: the same seed gives %+v and %+v", crowd.Name, one, again)
		}
		if one.Fill > 1 || one.Fill < 0.5 || one.Tenants == 0 {
			t.Errorf("%s: %+v", crowd.Name, one)
		}
	}
}

// TestTheDocumentSaysWhatIsReckoned: `go run ./bench/capacity` prints what to put there.
func TestTheDocumentSaysWhatIsReckoned(t *testing.T) {
	doc, err := os.ReadFile("../../docs/capacity.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(doc), report(threeNodes(), 20)) {
		t.Error("docs/capacity.md has other tables than `go run ./bench/capacity` prints")
	}
}

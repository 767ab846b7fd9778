package broker_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace/broker"
)

const crashWriters = 4

// publishUntilKilled is the whole of the process that TestKilledPublisher starts: it prints each
// acknowledged key with its position.
func publishUntilKilled(dir string) {
	b, err := broker.New(broker.Config{Dir: dir})
	if err != nil {
		panic(err)
	}
	go func() { panic(b.Run(context.Background())) }()
	ctx := context.Background()
	if _, _, err := b.PutTenant(ctx, "acme", broker.Spec{}); err != nil {
		panic(err)
	}
	var mu sync.Mutex
	for w := range crashWriters {
		go func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%d-%d", w, i)
				ps := []broker.Publication{{Subject: "a.b", Data: key, Key: key}, {Subject: "a.b", Data: key + "b", Key: key + "b"}}
				at, err := b.PublishBatch(ctx, "acme", ps[:1+i%2])
				if err != nil {
					panic(err)
				}
				mu.Lock()
				for n, p := range at {
					fmt.Println(ps[n].Key, p)
				}
				mu.Unlock()
			}
		}()
	}
	select {}
}

// TestKilledPublisher kills a process that publishes, twice, and then looks for each event that it
// was told is stored.
func TestKilledPublisher(t *testing.T) {
	dir := t.TempDir()
	acknowledged := map[string]string{}
	for round := range 2 {
		runPublisher(t, dir, 800*(round+1), acknowledged)
	}
	b, _ := start(t, broker.Config{Dir: dir})
	end := publish(t, b, "acme", "a.b", "end")
	found := map[string]string{}
	var last uint64
	for _, e := range readTo(t, subscribe(t, b, "acme", broker.From{Earliest: true}, ">"), end) {
		if e.Seq != last+1 {
			t.Fatalf("%d comes after %d", e.Seq, last)
		}
		last = e.Seq
		if first, ok := found[e.Data]; ok {
			t.Errorf("%s is stored at %s and %s", e.Data, first, e.ID)
		}
		found[e.Data] = e.ID
	}
	for key, id := range acknowledged {
		if found[key] != id {
			t.Errorf("%s was acknowledged at %s and is at %q", key, id, found[key])
		}
	}
	for key, id := range acknowledged {
		if p, err := b.Publish(within(t), "acme", broker.Publication{Subject: "a.b", Data: "again", Key: key}); err != nil || p.String() != id {
			t.Errorf("%s again is at %s, %v; not at %s", key, p, err, id)
		}
	}
	t.Logf("%d acknowledged, %d stored", len(acknowledged), len(found)-1)
}

// runPublisher runs the publishing process until acknowledged has n keys, and kills it.
func runPublisher(t *testing.T, dir string, n int, acknowledged map[string]string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "BROKER_TEST_PUBLISHER="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for killed := false; lines.Scan(); {
		key, id, ok := strings.Cut(lines.Text(), " ")
		if !ok {
			continue
		}
		acknowledged[key] = id
		if len(acknowledged) >= n && !killed {
			killed = true
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	cmd.Wait()
	if len(acknowledged) < n {
		t.Fatalf("the publisher ended by itself after %d keys", len(acknowledged))
	}
}

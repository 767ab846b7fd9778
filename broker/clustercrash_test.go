package broker_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/broker/cluster"
)

// runNodeUntilKilled is the whole of a process that TestKilledNodes starts: a node that publishes one
// event after the other and prints each acknowledged one, and that follows the history from its
// beginning. Told a position by its input, it publishes no more and prints what it has followed up to
// there, and what history has.
func runNodeUntilKilled(name string) {
	key, err := cluster.ReadFile(os.Getenv("BROKER_TEST_KEY"))
	if err != nil {
		panic(err)
	}
	b, err := broker.New(broker.Config{
		Dir: os.Getenv("BROKER_TEST_DIR"), Node: name, Logger: slog.New(slog.DiscardHandler),
		Cluster: &broker.Cluster{Key: key, Listen: os.Getenv("BROKER_TEST_LISTEN"), Join: strings.Split(os.Getenv("BROKER_TEST_JOIN"), ",")},
	})
	if err != nil {
		panic(err)
	}
	go func() { panic(b.Run(context.Background())) }()
	ctx := context.Background()
	if _, _, err := b.PutTenant(ctx, "acme", broker.Spec{}); err != nil {
		panic(err)
	}
	fmt.Println("ready")
	input := bufio.NewScanner(os.Stdin)
	publishing, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 0; publishing.Err() == nil; n++ {
			data := fmt.Sprintf("%s-%d-%d", name, os.Getpid(), n)
			if p, err := b.Publish(ctx, "acme", broker.Publication{Subject: "a", Data: data}); err == nil {
				fmt.Println("acknowledged", p, data)
			} else {
				fmt.Println("error", err)
			}
		}
	})
	followed := make(chan []string)
	until := make(chan broker.Position, 1)
	go func() { followed <- follow(b, until) }()
	if !input.Scan() { // quits the publishing
		return
	}
	stop()
	wg.Wait()
	fmt.Println("quiet")
	if !input.Scan() { // the end to come to
		return
	}
	end, ok := broker.ParsePosition(input.Text())
	if !ok {
		panic(input.Text())
	}
	until <- end
	for _, line := range <-followed {
		fmt.Println("followed", line)
	}
	until <- end
	for _, line := range follow(b, until) {
		fmt.Println("stored", line)
	}
	fmt.Println("whole")
	select {}
}

// follow reads the history from its beginning until it has come to a position, over all errors.
func follow(b *broker.Broker, until <-chan broker.Position) (all []string) {
	from := broker.From{Earliest: true}
	var end broker.Position
	for {
		s, err := b.Subscribe(context.Background(), "acme", []string{"a"}, from)
		if err != nil {
			continue
		}
		if start := s.Start(); start.Gap || start.Reset {
			panic(fmt.Sprint("at ", from, " it starts with ", start))
		}
		for {
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
			var events []*abi.Event
			var seq uint64
			events, seq, err = s.Next(ctx)
			wait := ctx.Err()
			cancel()
			for _, e := range events {
				all = append(all, e.ID+" "+e.Data)
				from = broker.From{After: e.ID}
			}
			select {
			case end = <-until:
			default:
			}
			if end.Seq > 0 && seq >= end.Seq {
				s.Close()
				return all
			}
			if err != nil && wait == nil {
				break
			}
		}
		s.Close()
	}
}

// process is a node in a process of its own.
type process struct {
	t    *testing.T
	env  []string
	cmd  *exec.Cmd
	in   io.WriteCloser
	seen chan string // its lines but the acknowledgements

	mu           sync.Mutex
	acknowledged []string
	more         chan struct{} // closed when there is another
	reading      sync.WaitGroup
}

func (p *process) start() {
	p.t.Helper()
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), p.env...)
	p.cmd.Stderr = p.t.Output()
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		p.in, err = p.cmd.StdinPipe()
	}
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.seen = make(chan string, 1<<16)
	p.reading.Go(func() { p.read(out, p.seen) })
}

func (p *process) read(out io.Reader, seen chan<- string) {
	defer close(seen)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line, ok := strings.CutPrefix(lines.Text(), "acknowledged ")
		if !ok {
			seen <- lines.Text()
			continue
		}
		p.mu.Lock()
		p.acknowledged = append(p.acknowledged, line)
		close(p.more)
		p.more = make(chan struct{})
		p.mu.Unlock()
	}
}

// kill is SIGKILL.
func (p *process) kill() {
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Error(err)
	}
	p.reading.Wait()
	p.cmd.Wait()
}

// until returns the lines that it prints up to one.
func (p *process) until(last string) (lines []string) {
	p.t.Helper()
	ctx := within(p.t)
	for {
		select {
		case line, ok := <-p.seen:
			if line == last {
				return lines
			}
			if !ok {
				p.t.Fatalf("it ended before it said %s", last)
			}
			lines = append(lines, line)
		case <-ctx.Done():
			p.t.Fatalf("it does not say %s", last)
		}
	}
}

// acknowledge waits until it has been told of n more events.
func (p *process) acknowledge(n int) {
	p.t.Helper()
	ctx := within(p.t)
	p.mu.Lock()
	n += len(p.acknowledged)
	for len(p.acknowledged) < n {
		more := p.more
		p.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			p.t.Fatal("it publishes no more")
		}
		p.mu.Lock()
	}
	p.mu.Unlock()
}

func (p *process) say(line string) {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.in, line); err != nil {
		p.t.Fatal(err)
	}
}

// TestKilledNodes kills two of three nodes with SIGKILL, one after the other, while all publish and
// follow, and starts them again. What was acknowledged must be there once, on each node, and who
// followed must have it all in order.
func TestKilledNodes(t *testing.T) {
	key, err := cluster.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := key.WriteFile(filepath.Join(dir, "key")); err != nil {
		t.Fatal(err)
	}
	var addrs []string
	for range 3 {
		addrs = append(addrs, freeAddress(t))
	}
	nodes := make([]*process, 3)
	for i := range nodes {
		nodes[i] = &process{t: t, more: make(chan struct{}), env: []string{
			fmt.Sprint("BROKER_TEST_NODE=n", i+1), "BROKER_TEST_KEY=" + filepath.Join(dir, "key"),
			"BROKER_TEST_DIR=" + filepath.Join(dir, fmt.Sprint(i)), "BROKER_TEST_LISTEN=" + addrs[i],
			"BROKER_TEST_JOIN=" + strings.Join(addrs, ","),
		}}
		nodes[i].start()
		t.Cleanup(func() { nodes[i].kill() })
	}
	for _, p := range nodes {
		p.until("ready")
		p.acknowledge(100)
	}
	for i := range 2 {
		nodes[i].kill()
		for _, other := range []int{(i + 1) % 3, (i + 2) % 3} {
			nodes[other].acknowledge(100)
		}
		nodes[i].start()
		nodes[i].until("ready")
		nodes[i].acknowledge(100)
	}
	var acknowledged []string
	for _, p := range nodes {
		p.say("stop")
		for _, line := range p.until("quiet") {
			t.Errorf("a publisher says %s", line)
		}
		acknowledged = append(acknowledged, p.acknowledged...)
	}
	checkNodes(t, nodes, acknowledged)
}

func checkNodes(t *testing.T, nodes []*process, acknowledged []string) {
	var last broker.Position
	for _, line := range acknowledged {
		id, _, _ := strings.Cut(line, " ")
		if p, _ := broker.ParsePosition(id); p.Seq > last.Seq {
			last = p
		}
	}
	var first []string
	for i, p := range nodes {
		p.say(last.String())
		var followed, stored []string
		for _, line := range p.until("whole") {
			if event, ok := strings.CutPrefix(line, "followed "); ok {
				followed = append(followed, event)
			} else {
				stored = append(stored, strings.TrimPrefix(line, "stored "))
			}
		}
		if i == 0 {
			first = stored
		}
		if !slices.Equal(stored, first) || len(stored) < len(followed) || !slices.Equal(followed, stored[:len(followed)]) || uint64(len(followed)) < last.Seq {
			t.Errorf("node %d has %d events and followed %d, the first has %d; the last is %s", i, len(stored), len(followed), len(first), last)
		}
	}
	times, data := map[string]int{}, map[string]int{}
	for _, line := range first {
		times[line]++
		_, what, _ := strings.Cut(line, " ")
		if data[what]++; data[what] > 1 {
			t.Errorf("%s is stored twice", what)
		}
	}
	for _, line := range acknowledged {
		if times[line] != 1 {
			t.Errorf("%s was acknowledged and is stored %d times", line, times[line])
		}
	}
	t.Logf("%d acknowledged, %d stored", len(acknowledged), len(first))
}

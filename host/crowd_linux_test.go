package host_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/host"
)

// crowded makes the test a process with too few addresses for all instances.
const crowded = "MILLRACE_TEST_CROWDED"

// TestAddressesRunOut has a process start more instances than it has addresses for. It must not die
// of that.
func TestAddressesRunOut(t *testing.T) {
	if os.Getenv(crowded) != "" {
		if err := beCrowded(); err != nil {
			t.Fatal(err)
		}
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(self, "-test.run=^TestAddressesRunOut$")
	child.Env = append(os.Environ(), crowded+"=1")
	if output, err := child.CombinedOutput(); err != nil {
		t.Errorf("the process ended with %v: %s", err, output)
	}
}

func beCrowded() (err error) {
	h, err := host.New(context.Background(), host.Config{MemoryBytes: 256 << 20})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close(context.Background())) }()
	p, err := h.Prepare(context.Background(), using(abi.OnStream, use{"sleep", []any{3600000}}).bytes())
	if err != nil {
		return err
	}
	if err := limitAddresses(2 << 30); err != nil {
		return err
	}
	ctx, end := context.WithCancel(context.Background())
	defer end()
	results := make(chan error)
	const streams = 20
	for range streams {
		go func() { results <- p.Stream(ctx, host.Session{Emitter: newViewer(), Services: newTenant()}) }()
	}
	for range streams - 8 { // 2 GiB have room for no more than 8
		select {
		case err := <-results:
			if !errors.Is(err, host.ErrBusy) {
				return fmt.Errorf("a stream without addresses: %w", err)
			}
		case <-time.After(patience):
			return errors.New("more streams run than there are addresses for")
		}
	}
	end()
	for range 8 {
		if err := <-results; err != nil && !errors.Is(err, host.ErrBusy) {
			return fmt.Errorf("a stream with addresses: %w", err)
		}
	}
	short, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if err := p.Stream(short, host.Session{Emitter: newViewer(), Services: newTenant()}); err != nil {
		return fmt.Errorf("a stream after that: %w", err)
	}
	return nil
}

// limitAddresses lets the process have that many bytes of addresses more than it has.
func limitAddresses(more uint64) error {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return err
	}
	var pages uint64
	if _, err := fmt.Sscan(string(text), &pages); err != nil {
		return err
	}
	limit := pages*uint64(os.Getpagesize()) + more
	return syscall.Setrlimit(syscall.RLIMIT_AS, &syscall.Rlimit{Cur: limit, Max: limit})
}

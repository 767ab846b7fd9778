//go:build unix

package source_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/broker/source"
)

// BenchmarkIdle keeps 1,000 sources connected to a remote in another process, which is silent.
func BenchmarkIdle(b *testing.B) {
	const n = 1000
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SOURCE_TEST_IDLE=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	lines := bufio.NewScanner(out)
	lines.Scan()
	client := source.NewClient(source.ClientConfig{AllowPrivate: true})
	defer client.Close()
	before := inUse()
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	workers := make([]*source.Worker, n)
	for i := range workers {
		workers[i], err = source.NewWorker(source.WorkerConfig{
			Source: source.Config{URL: lines.Text(), Subject: "a"}, Client: client, Store: &discard{},
		})
		if err != nil {
			b.Fatal(err)
		}
		wg.Go(func() { workers[i].Run(ctx) }) // ends with ctx, which is its error
	}
	for _, w := range workers {
		for w.Status().Stored == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	after, cpu := inUse(), processorTime()
	began := time.Now()
	for b.Loop() {
		time.Sleep(time.Second) // the quiet is what is measured
	}
	b.ReportMetric(float64(after-before)/n, "B/source")
	b.ReportMetric(float64(processorTime()-cpu)/float64(time.Since(began))*1e6/n, "ppm-of-a-core/source")
	cancel()
	wg.Wait()
}

// inUse is what the process uses, of heap and stacks.
func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

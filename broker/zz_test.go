package broker_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/millrace/millrace/broker"
)

func TestZZMillion(t *testing.T) {
	from, _ := start(t, broker.Config{})
	tenant(t, from, "acme", broker.Spec{})
	begin := time.Now()
	fill(t, from, "acme", 1_000_000, 10, 200)
	fmt.Println("filled", time.Since(begin))
	f, _ := os.CreateTemp(t.TempDir(), "")
	peak := func() string {
		b, _ := os.ReadFile("/proc/self/status")
		for _, l := range []string{"VmHWM"} {
			i := 0
			for i = range b {
				if len(b) > i+len(l) && string(b[i:i+len(l)]) == l {
					break
				}
			}
			return string(b[i : i+24])
		}
		return ""
	}
	runtime.GC()
	os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
	fmt.Println(peak())
	begin = time.Now()
	if err := from.Backup(context.Background(), "acme", broker.BackupOptions{}, f); err != nil {
		t.Fatal(err)
	}
	size, _ := f.Seek(0, io.SeekCurrent)
	fmt.Println("backed up", time.Since(begin), size, peak())
	f.Seek(0, 0)
	os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
	begin = time.Now()
	done, err := from.Restore(context.Background(), "copy", f, broker.RestoreOptions{})
	fmt.Println("restored", time.Since(begin), done, err, peak())
}

func TestZZCluster(t *testing.T) {
	c := startCluster(t, 3)
	b := c.brokers[0]
	furnish(t, b, 1000)
	begin := time.Now()
	file := backUp(t, c.brokers[1], broker.BackupOptions{Key: newKey(t)})
	fmt.Println("backed up", time.Since(begin), len(file))
	begin = time.Now()
	restore(t, c.brokers[2], "copy", file, broker.RestoreOptions{Key: newKey(t)})
	fmt.Println("restored", time.Since(begin))
	for i, b := range c.brokers {
		fmt.Println(i, b.Streams(within(t), t))
		s := subscribe(t, b, "copy", broker.From{Earliest: true}, ">")
		fmt.Println(len(readTo(t, s, broker.Position{Seq: 1000})))
		v, err := b.KVGet(within(t), "copy", "k1")
		fmt.Println(string(v), err)
	}
	begin = time.Now()
	restore(t, c.brokers[0], "copy", file, broker.RestoreOptions{Key: newKey(t), Replace: true})
	fmt.Println("replaced", time.Since(begin))
}

package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// Usage is what a server has used.
type Usage struct {
	CPU    time.Duration // since it started
	Memory int64         // bytes in main memory, now
}

// Meter measures a server.
type Meter func(ctx context.Context) (Usage, error)

var errUnmeasured = errors.New("the server is not measured")

func unmeasured(context.Context) (Usage, error) { return Usage{}, errUnmeasured }

// Processes measures the processes of a server on this machine, all together. It reads /proc, as
// Linux has it.
func Processes(pids ...int) Meter {
	return func(context.Context) (all Usage, err error) {
		for _, pid := range pids {
			u, err := processUsage(pid)
			if err != nil {
				return Usage{}, fmt.Errorf("measure process %d: %w", pid, err)
			}
			all.CPU += u.CPU
			all.Memory += u.Memory
		}
		return all, nil
	}
}

// tick is the unit of /proc's processor times.
const tick = 10 * time.Millisecond

func processUsage(pid int) (Usage, error) {
	dir := fmt.Sprintf("/proc/%d/", pid)
	stat, err := os.ReadFile(dir + "stat")
	if err != nil {
		return Usage{}, err
	}
	_, after, _ := strings.Cut(string(stat), ") ") // the name before may have spaces
	fields := strings.Fields(after)
	if len(fields) < 22 {
		return Usage{}, errors.New("stat is not as Linux writes it")
	}
	number := func(i int) (n int64) {
		n, err = strconv.ParseInt(fields[i], 10, 64)
		return n
	}
	u := Usage{CPU: time.Duration(number(11)+number(12)) * tick, Memory: number(21) * int64(os.Getpagesize())}
	if shared, ok := ownShare(dir + "smaps_rollup"); ok {
		u.Memory = shared
	}
	return u, err
}

// ownShare is a process's memory with what it shares counted in parts, so that several processes
// add up.
func ownShare(file string) (bytes int64, ok bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if kilobytes, ok := strings.CutPrefix(line, "Pss:"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(kilobytes), " kB"), 10, 64)
			return n << 10, err == nil
		}
	}
	return 0, false
}

// Metrics measures a server by what it tells Prometheus of its process. authorization may be empty.
func Metrics(url, authorization string) Meter {
	client := &http.Client{Timeout: 10 * time.Second}
	return func(ctx context.Context) (Usage, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return Usage{}, err
		}
		if authorization != "" {
			req.Header.Set("Authorization", authorization)
		}
		resp, err := client.Do(req)
		if err != nil {
			return Usage{}, err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return Usage{}, fmt.Errorf("%s answers %s", url, resp.Status)
		}
		return readMetrics(io.LimitReader(resp.Body, 16<<20))
	}
}

func readMetrics(r io.Reader) (Usage, error) {
	found := map[string]float64{"process_cpu_seconds_total": -1, "process_resident_memory_bytes": -1}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if _, wanted := found[name]; wanted {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return Usage{}, fmt.Errorf("metric %s: %w", name, err)
			}
			found[name] = n
		}
	}
	if err := lines.Err(); err != nil {
		return Usage{}, err
	}
	for name, n := range found {
		if n < 0 {
			return Usage{}, fmt.Errorf("metric %s is missing", name)
		}
	}
	return Usage{
		CPU:    time.Duration(found["process_cpu_seconds_total"] * float64(time.Second)),
		Memory: int64(found["process_resident_memory_bytes"]),
	}, nil
}

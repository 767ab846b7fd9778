package workload

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync/atomic"
	"time"
)

const (
	maxAnswer    = 1 << 20
	tryTimeout   = 20 * time.Second // of one request that is no stream
	betweenTries = 50 * time.Millisecond
)

// refusal is the error for an answer that no fault excuses: repeating it would hide a mistake.
type refusal struct {
	call   string
	status int
	body   []byte
}

func (e *refusal) Error() string { return fmt.Sprintf("%s: %d: %s", e.call, e.status, e.body) }

// call sends one request as the operator and decodes the answer's JSON into out, unless that is nil.
func (w *run) call(ctx context.Context, method, url string, body []byte, key string, out any) error {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+w.config.Token)
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	begin := time.Now()
	resp, err := w.client.Do(req)
	w.waits.add(time.Since(begin))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return &refusal{method + " " + url, resp.StatusCode, b}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(b, out)
}

// longest is the longest of durations. It is safe for concurrent use.
type longest struct{ ns atomic.Int64 }

func (l *longest) add(d time.Duration) {
	for have := l.ns.Load(); have < int64(d) && !l.ns.CompareAndSwap(have, int64(d)); have = l.ns.Load() {
	}
}

// comeAgain are the statuses at which a client is to come again.
var comeAgain = []int{
	http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
}

// until repeats a call, at one URL after the other, until it succeeds. It ends with a refusal, or with
// the last error once the context or Patience is over.
func (w *run) until(ctx context.Context, first int, call func(ctx context.Context, base string) error) error {
	ctx, cancel := context.WithTimeout(ctx, w.config.Patience)
	defer cancel()
	for try := first; ; try++ {
		err := call(ctx, w.config.URLs[try%len(w.config.URLs)])
		var refused *refusal
		if err == nil || errors.As(err, &refused) && !slices.Contains(comeAgain, refused.status) {
			return err
		}
		if !sleep(ctx, betweenTries) {
			return fmt.Errorf("no success in %s: %w", w.config.Patience, err)
		}
	}
}

// sleep returns false if the context ended meanwhile.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

//go:build linux

package hostile

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/sse"
)

// client is the operator at a server. It is safe for concurrent use.
type client struct {
	url, token string
	http       *http.Client
	soon       time.Duration // as routes' time limit, enough for guests to begin; see attack.soon
}

func newClient(url, token string) *client {
	transport := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	return &client{url, token, &http.Client{Transport: transport}, soonest}
}

// call sends one request and returns the answer's status and body. A body that is bytes is sent as
// it is, any other but nil as JSON.
func (c *client) call(ctx context.Context, method, path string, body any) (status int, answer string, err error) {
	resp, err := c.send(ctx, method, path, body)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, string(b), err
}

// must is call for what has to succeed.
func (c *client) must(ctx context.Context, method, path string, body any) error {
	status, answer, err := c.call(ctx, method, path, body)
	if err == nil && status/100 != 2 {
		err = fmt.Errorf("%d: %s", status, answer)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

func (c *client) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	content, isBytes := body.([]byte)
	if body != nil && !isBytes {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if bytes.HasPrefix(content, []byte("\x00asm")) {
		req.Header.Set("Content-Type", "application/wasm")
	}
	return c.http.Do(req)
}

// maxEventBytes bounds one event that a viewer takes.
const maxEventBytes = 16 << 20

// watch opens a stream, calls opened, and gives each event to see until that returns false or the
// stream ends, which is no error.
func (c *client) watch(ctx context.Context, path string, opened func(), see func(abi.Event) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	resp, err := c.send(ctx, http.MethodGet, path, nil)
	if err != nil {
		opened()
		return err
	}
	defer resp.Body.Close()
	opened()
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20)) // whatever there is
		return fmt.Errorf("open %s: %d: %s", path, resp.StatusCode, b)
	}
	for r := sse.NewReader(resp.Body, maxEventBytes); ; {
		e, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("stream %s: %w", path, err)
		}
		if !see(e) {
			return nil
		}
	}
}

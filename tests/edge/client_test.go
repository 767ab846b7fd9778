package edge

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/sse"
)

// client calls nodes as the operator, for the test's goroutine.
type client struct {
	t     *testing.T
	token string
}

func (c *client) do(method, url, body string, headers ...string) *http.Response {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if strings.HasPrefix(body, "\x00asm") {
		req.Header.Set("Content-Type", "application/wasm")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp
}

// must returns the body of an answer that has to be a 2xx.
func (c *client) must(method, url, body string, headers ...string) []byte {
	c.t.Helper()
	resp := c.do(method, url, body, headers...)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		c.t.Fatalf("%s %s: %s, %v: %s", method, url, resp.Status, err, b)
	}
	return b
}

// until2xx repeats what does no harm twice, while storage does not answer.
func (c *client) until2xx(method, url string) {
	c.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		resp := c.do(method, url, "")
		resp.Body.Close()
		if resp.StatusCode/100 == 2 {
			return
		}
		if resp.StatusCode != http.StatusServiceUnavailable || time.Now().After(deadline) {
			c.t.Fatalf("%s %s: %s", method, url, resp.Status)
		}
	}
}

// publish publishes until it is acknowledged, always the same event, and returns its id.
func (c *client) publish(node, data string) (id string) {
	c.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		resp := c.do(http.MethodPost, node+"/v1/tenants/acme/events/news", data, "Idempotency-Key", data)
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err == nil && resp.StatusCode == http.StatusCreated {
			var answer struct{ ID string }
			if err := json.Unmarshal(b, &answer); err != nil {
				c.t.Fatal(err)
			}
			return answer.ID
		}
		if resp.StatusCode != http.StatusServiceUnavailable || time.Now().After(deadline) {
			c.t.Fatalf("publish on %s: %s: %s", node, resp.Status, b)
		}
	}
}

// viewer is a stream that is followed.
type viewer struct {
	t      *testing.T
	reader *sse.Reader
	last   string // id of the last event
}

// served waits until a node serves a path: it hears of routes and prepares callbacks before it does.
func (c *client) served(url string) {
	c.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		resp := c.do(http.MethodGet, url, "")
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return
		}
		if resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusServiceUnavailable || time.Now().After(deadline) {
			c.t.Fatalf("%s is answered with %s", url, resp.Status)
		}
	}
}

// open opens a stream after an id, or from the earliest event. It ends with the test.
func (c *client) open(url, after string) *viewer {
	c.t.Helper()
	headers := []string{"Accept", "text/event-stream"}
	if after == "" {
		url += "?last_event_id=earliest"
	} else {
		headers = append(headers, "Last-Event-ID", after)
	}
	resp := c.do(http.MethodGet, url, "", headers...)
	c.t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(resp.Body) // whatever there is
		c.t.Fatalf("open %s: %s: %s", url, resp.Status, b)
	}
	return &viewer{c.t, sse.NewReader(resp.Body, 0), after}
}

func (v *viewer) next() abi.Event {
	v.t.Helper()
	e, err := v.reader.Next()
	if err != nil {
		v.t.Fatalf("stream after %s: %v", v.last, err)
	}
	if e.Name == "reset" || e.Name == "gap" {
		v.t.Fatalf("stream after %s: %s %s", v.last, e.Name, e.Data)
	}
	v.last = e.ID
	return e
}

package program

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// maxAnswer bounds what is read of one answer, in bytes.
const maxAnswer = 16 << 20

// Client calls a server as the operator, at its own address or through a Cutter. It is safe for
// concurrent use, but for methods that have no error to return: those are for the test's goroutine.
type Client struct {
	URL   string // such as http://127.0.0.1:21034
	Token string // the operator's

	t    testing.TB
	http *http.Client
}

// NewClient returns a client of the server at a URL. Its connections end with the test.
func NewClient(t testing.TB, url, token string) *Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 64, ResponseHeaderTimeout: time.Minute}
	t.Cleanup(transport.CloseIdleConnections)
	return &Client{URL: url, Token: token, t: t, http: &http.Client{Transport: transport}}
}

// Answer is an HTTP response that was read to its end.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// StatusError is the error for an answer of another status than the call is for.
type StatusError struct {
	Answer
	Call string
}

func (e *StatusError) Error() string { return fmt.Sprintf("%s: %d: %s", e.Call, e.Status, e.Body) }

// Call sends one request as the operator. A body that is bytes is sent as it is, any other but nil
// as JSON. Headers are pairs of name and value; one given here goes before one that Call would set.
func (c *Client) Call(ctx context.Context, method, path string, body any, headers ...string) (Answer, error) {
	req, err := c.request(ctx, method, path, body, headers)
	if err != nil {
		return Answer{}, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return Answer{resp.StatusCode, resp.Header, b}, err
}

func (c *Client) request(ctx context.Context, method, path string, body any, headers []string) (*http.Request, error) {
	content, isBytes := body.([]byte)
	if body != nil && !isBytes {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	if bytes.HasPrefix(content, []byte("\x00asm")) {
		req.Header.Set("Content-Type", "application/wasm")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return req, nil
}

// Must sends one request as the operator and returns the answer's body. Any status but a 2xx ends
// the test.
func (c *Client) Must(method, path string, body any) []byte {
	c.t.Helper()
	a, err := c.Call(c.t.Context(), method, path, body)
	if err == nil && a.Status/100 != 2 {
		err = &StatusError{a, method + " " + path}
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return a.Body
}

// Put is Must with PUT.
func (c *Client) Put(path string, body any) []byte {
	c.t.Helper()
	return c.Must(http.MethodPut, path, body)
}

// Event is an event to publish.
type Event struct {
	Subject string `json:"subject"`
	Data    string `json:"data"`
	Name    string `json:"event,omitempty"`
	Key     string `json:"key,omitempty"`
}

// Publish publishes one event and returns its id. The error of an answer that is no 201 is a
// *StatusError.
func (c *Client) Publish(ctx context.Context, tenant string, e Event) (id string, err error) {
	path := "/v1/tenants/" + tenant + "/events/" + url.PathEscape(e.Subject) + "?event=" + url.QueryEscape(e.Name)
	var headers []string
	if e.Key != "" {
		headers = []string{"Idempotency-Key", e.Key}
	}
	var out struct{ ID string }
	err = c.publish(ctx, path, []byte(e.Data), headers, &out)
	return out.ID, err
}

// PublishBatch publishes events, all or none, and returns their ids in order. Errors are Publish's.
func (c *Client) PublishBatch(ctx context.Context, tenant string, es []Event) (ids []string, err error) {
	var body bytes.Buffer
	lines := json.NewEncoder(&body)
	for _, e := range es {
		if err := lines.Encode(e); err != nil {
			return nil, err
		}
	}
	var out struct{ IDs []string }
	err = c.publish(ctx, "/v1/tenants/"+tenant+"/events", body.Bytes(), nil, &out)
	if err == nil && len(out.IDs) != len(es) {
		err = fmt.Errorf("%d ids for %d events", len(out.IDs), len(es))
	}
	return out.IDs, err
}

func (c *Client) publish(ctx context.Context, path string, body []byte, headers []string, out any) error {
	a, err := c.Call(ctx, http.MethodPost, path, body, headers...)
	if err != nil {
		return err
	}
	if a.Status != http.StatusCreated {
		return &StatusError{a, "publish"}
	}
	return json.Unmarshal(a.Body, out)
}

// UntilStored repeats publish until it is acknowledged, as a publisher does that has put keys on its
// events: past lost connections, and past answers that ask to come again. Any other error ends it.
func UntilStored[ID any](ctx context.Context, publish func(context.Context) (ID, error)) (ID, error) {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		id, err := publish(ctx)
		var refused *StatusError
		if err == nil || errors.As(err, &refused) && refused.Status != http.StatusServiceUnavailable {
			return id, err
		}
		select {
		case <-ctx.Done():
			return id, err
		case <-again.C:
		}
	}
}

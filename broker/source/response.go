package source

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxErrorBody is how much of an error's body is kept.
const maxErrorBody = 2 << 10

// maxWait is the longest time that a remote can make a source wait.
const maxWait = 24 * time.Hour

// StatusError is the error for a response that is no stream.
type StatusError struct {
	Status     int
	Headers    map[string]string
	Body       string        // its first 2 KB, as UTF-8
	RetryAfter time.Duration // what the remote asks for, at most a day; 0 is nothing
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("status %d %s", e.Status, http.StatusText(e.Status))
	if e.Body != "" {
		text += ": " + e.Body
	}
	return text
}

// passing tells whether the status may be another one later.
func (e *StatusError) passing() bool {
	return e.Status == http.StatusTooManyRequests || e.Status >= 500
}

// refused tells whether the remote says that it did not begin to act on the request. Other statuses
// from 500 on can come from a proxy whose upstream did.
func (e *StatusError) refused() bool {
	switch e.Status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, statusOverloaded:
		return true
	}
	return false
}

// statusOverloaded is what AI providers answer when they take on no more.
const statusOverloaded = 529

func newStatusError(r *http.Response, body io.Reader, secrets *filler) *StatusError {
	// The body may stall or break off. What there is of it is told. More is read than is kept, so
	// that no secret is hidden from its search by being cut.
	text, _ := io.ReadAll(io.LimitReader(body, 2*maxErrorBody))
	return &StatusError{
		Status:     r.StatusCode,
		Headers:    secrets.plain(r.Header),
		Body:       start(secrets.hidden(strings.ToValidUTF8(string(text), "\uFFFD")), maxErrorBody),
		RetryAfter: retryAfter(r.Header.Get("Retry-After"), time.Now()),
	}
}

// start returns the first n bytes of text, or one character less.
func start(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "")
}

// retryAfter reads a Retry-After header: seconds or a date. One of neither form is 0.
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value != "" && strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || seconds > int64(maxWait/time.Second) {
			return maxWait
		}
		return time.Duration(seconds) * time.Second
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(date.Sub(now), 0), maxWait)
}

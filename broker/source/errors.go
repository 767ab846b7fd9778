package source

import (
	"errors"
	"fmt"

	"github.com/millrace/millrace/abi"
)

// Errors that callers branch on. They come wrapped.
var (
	ErrInterrupted = errors.New("stream ended without its end mark")
	ErrSent        = errors.New("request was sent once and is not repeated")
	ErrStopped     = errors.New("source was stopped")
	ErrConflict    = errors.New("history was written to by another owner of the source")
	ErrNoSecret    = errors.New("no such secret")
)

// The three clocks of a connection. All of them wrap abi.Timeout.
var (
	ErrNoHeaders error = clockError("no response headers in time")
	ErrSilent    error = clockError("stream was silent for too long")
	ErrTooLong   error = clockError("stream took longer than it may")
)

type clockError string

func (e clockError) Error() string { return string(e) }
func (clockError) Unwrap() error   { return abi.Timeout }

// FieldError says which field of a Config or Request is wrong, and why.
type FieldError struct {
	Field  string // as it is spelled in JSON
	Reason string
}

func (e *FieldError) Error() string { return e.Field + " " + e.Reason }

func invalid(field, format string, args ...any) error {
	return &FieldError{Field: field, Reason: fmt.Sprintf(format, args...)}
}

// denied is the error for what a tenant may not reach.
func denied(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), abi.Denied)
}

// RequestError is the error for a connection that did not get as far as a response.
type RequestError struct {
	Sent bool // something of the request may have reached the remote
	Err  error
}

func (e *RequestError) Error() string { return e.Err.Error() }
func (e *RequestError) Unwrap() error { return e.Err }

// CallbackError is the error for a callback that failed where the source's onError is close.
type CallbackError struct {
	Callback string
	Err      error
}

func (e *CallbackError) Error() string { return e.Callback + ": " + e.Err.Error() }
func (e *CallbackError) Unwrap() error { return e.Err }

// storeError is the error for a store that does not answer, or that another owner has written to. The
// remote has no part in it.
type storeError struct{ err error }

func (e *storeError) Error() string { return e.err.Error() }
func (e *storeError) Unwrap() error { return e.err }

// permanent tells whether err will come again however often the request is repeated, so that the
// source fails.
func permanent(err error) bool {
	var status *StatusError
	if errors.As(err, &status) {
		return !status.passing()
	}
	var field *FieldError
	var callback *CallbackError
	return errors.Is(err, abi.Denied) || errors.Is(err, ErrNoSecret) || errors.Is(err, ErrSent) ||
		errors.Is(err, errEncoding) || errors.As(err, &field) || errors.As(err, &callback)
}

// unsent tells whether a request that ended with err has surely not been acted upon: it never left,
// or the remote said that it took nothing on.
func unsent(err error) bool {
	var request *RequestError
	var status *StatusError
	switch {
	case errors.As(err, &request):
		return !request.Sent
	case errors.As(err, &status):
		return status.refused()
	}
	return false
}

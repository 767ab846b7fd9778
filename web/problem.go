package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/broker/source"
	"github.com/millrace/millrace/host"
)

// problem is an RFC 9457 document, and the error that handlers return for it.
type problem struct {
	huma.ErrorModel
	retryAfter int  // seconds; 0 is none
	unknown    bool // see isUnknown
}

// GetHeaders are the headers of the response beside the document's.
func (p *problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="millrace"`)
	}
	return h
}

// fail makes a problem document. Its detail is a sentence for the user who sent the request.
func fail(status int, format string, args ...any) *problem {
	return &problem{ErrorModel: huma.ErrorModel{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: fmt.Sprintf(format, args...),
	}}
}

// at adds where the mistake is, as body.path or query.since.
func (p *problem) at(location, message string) *problem {
	p.Errors = append(p.Errors, &huma.ErrorDetail{Location: location, Message: message})
	return p
}

// later adds a Retry-After of so many seconds.
func (p *problem) later(seconds int) *problem {
	p.retryAfter = seconds
	return p
}

// bad is a 422 for one value.
func bad(location, format string, args ...any) *problem {
	message := fmt.Sprintf(format, args...)
	return fail(http.StatusUnprocessableEntity, "%s", message).at(location, message)
}

// problemOf finds the status for an error from any layer. One that it does not know is a 500 that
// says nothing of its cause.
func problemOf(err error) *problem {
	var p *problem
	var model *huma.ErrorModel
	var he *echo.HTTPError
	var invalid *broker.InvalidError
	var refused *host.RefusedError
	var field *source.FieldError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &model):
		return &problem{ErrorModel: *model}
	case errors.As(err, &he):
		return fail(he.Code, "%s", routingText(he.Code))
	case errors.As(err, &field):
		return fieldsProblem(err)
	case errors.As(err, &invalid):
		return bad("body."+invalid.Field, "%s", invalid.Reason)
	case errors.As(err, &refused):
		return refusedProblem(refused)
	case errors.Is(err, broker.ErrNotFound):
		return fail(http.StatusNotFound, "There is no such tenant, plugin, route, source, secret or token.")
	case errors.Is(err, broker.ErrInUse):
		return fail(http.StatusConflict, "The plugin is in use by a route or a source; point that elsewhere or delete it first.")
	case errors.Is(err, broker.ErrConflict):
		return fail(http.StatusConflict, "Somebody else changed it at the same time; read it again and repeat.")
	case errors.Is(err, broker.ErrQuota):
		return fail(http.StatusConflict, "The tenant has as many of these as its quotas allow; delete one first.")
	case errors.Is(err, broker.ErrTooBig):
		return fail(http.StatusRequestEntityTooLarge, "The data is over the size limit of an event.")
	case errors.Is(err, host.ErrBusy):
		return fail(http.StatusTooManyRequests, "All plugin instances of this node are in use.").later(5)
	case errors.Is(err, host.ErrNotLoaded):
		return fail(http.StatusServiceUnavailable, "The plugin could not be loaded again on this node; its log says why.").later(1)
	case errors.Is(err, broker.ErrFull):
		return fail(http.StatusInsufficientStorage, "The tenant's storage is full.")
	case errors.Is(err, broker.ErrUnavailable), errors.Is(err, broker.ErrClosed):
		return fail(http.StatusServiceUnavailable, "The storage does not answer now. Whether it was done is not known; an event with an Idempotency-Key can safely be sent again.").later(1)
	}
	return fail(http.StatusInternalServerError, "The server failed; its log says why.")
}

// fieldsProblem is a 422 for the fields of a source that err tells of, which may join several.
func fieldsProblem(err error) *problem {
	var texts []string
	p := fail(http.StatusUnprocessableEntity, "")
	for _, f := range fieldErrors(err) {
		texts = append(texts, f.Error())
		p.at("body."+f.Field, f.Error())
	}
	p.Detail = "The source's " + strings.Join(texts, "; its ") + "."
	return p
}

// fieldErrors are those that err wraps or joins.
func fieldErrors(err error) (all []*source.FieldError) {
	switch e := err.(type) {
	case *source.FieldError:
		return []*source.FieldError{e}
	case interface{ Unwrap() error }:
		return fieldErrors(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			all = append(all, fieldErrors(one)...)
		}
	}
	return all
}

// routingText says what Echo's router means.
func routingText(status int) string {
	switch status {
	case http.StatusNotFound:
		return "There is nothing at this path."
	case http.StatusMethodNotAllowed:
		return "The path does not take this method; the Allow header says which it takes."
	}
	return http.StatusText(status)
}

// reason is what is wrong with a value, without its name, which the sentence around it has.
func reason(err error) string {
	var invalid *broker.InvalidError
	if errors.As(err, &invalid) {
		return invalid.Reason
	}
	return err.Error()
}

func refusedProblem(err *host.RefusedError) *problem {
	status := http.StatusUnprocessableEntity
	if err.TooBig {
		status = http.StatusRequestEntityTooLarge
	}
	return fail(status, "The plugin is refused: %s", err.Reason).at("body", err.Reason)
}

// handleError answers with err's problem document, unless the response has begun.
func (s *Server) handleError(err error, c echo.Context) {
	if c.Request().Context().Err() != nil {
		return // who asked has left
	}
	p := problemOf(err)
	if p.Status >= 500 && p.Status != http.StatusServiceUnavailable {
		s.log.Error("request failed", "method", c.Request().Method, "path", c.Request().URL.Path, "error", err)
	}
	if c.Response().Committed {
		return
	}
	h := c.Response().Header()
	maps.Copy(h, p.GetHeaders())
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	c.Response().WriteHeader(p.Status)
	if c.Request().Method != http.MethodHead {
		_ = json.NewEncoder(c.Response()).Encode(p.ErrorModel) // a client that left needs no answer
	}
}

// recoverPanic turns a panic in a handler into a 500 and a line in the log; the server goes on.
func (s *Server) recoverPanic(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			if r := recover(); r != nil {
				if r == http.ErrAbortHandler {
					panic(r)
				}
				s.log.Error("handler panicked", "panic", r, "stack", string(debug.Stack()))
				err = fail(http.StatusInternalServerError, "The server failed; its log says why.")
			}
		}()
		return next(c)
	}
}

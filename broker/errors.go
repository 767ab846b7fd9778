package broker

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Errors that callers branch on. They come wrapped.
var (
	ErrNotFound    = errors.New("not found")
	ErrInUse       = errors.New("in use")
	ErrConflict    = errors.New("changed by too many others at once")
	ErrTooBig      = errors.New("over the size limit")
	ErrFull        = errors.New("storage is full")
	ErrQuota       = errors.New("quota is used up")
	ErrLost        = errors.New("another node has it now")
	ErrGone        = errors.New("history no longer reaches back to this position")
	ErrClosed      = errors.New("broker is closed")
	ErrUnavailable = errors.New("storage does not answer")
	ErrBehind      = errors.New("the node's copies are not current")
)

// InvalidError says which field of what was given is wrong, and why.
type InvalidError struct {
	Field  string // as it is spelled in JSON
	Reason string
}

func (e *InvalidError) Error() string { return e.Field + " " + e.Reason }

func invalid(field, format string, args ...any) error {
	return &InvalidError{Field: field, Reason: fmt.Sprintf(format, args...)}
}

// The server's error codes that decide what happens next.
const (
	codeStreamNotFound       = 10059
	codeMessageNotFound      = 10037
	codeWrongLastMsgID       = 10070
	codeWrongLastSequence    = 10071
	codeWrongLastSeqConstant = 10164
	codeStoreFailed          = 10077 // the bucket is full, among others
	codeBatchDuplicate       = 10201
	codeBatchIncomplete      = 10176 // an election came between its messages, or too many batches were open at its first
	codeDuplicateConflict    = 10158
	codeTooManyBatches       = 10210
	codeNoPeers              = 10005 // too few nodes for all copies
	codeStreamOffline        = 10118
	codeStreamNotMade        = 10049 // a node had no folder for it, which its account's setting up may just have removed
)

// hasCode tells whether err is the server's answer with one of codes.
func hasCode(err error, codes ...jetstream.ErrorCode) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return false
	}
	for _, code := range codes {
		if api.ErrorCode == code {
			return true
		}
	}
	return false
}

// unsettled tells whether the server has another message that bars this one, of which it does not know
// yet whether it is stored: an earlier attempt, or another batch.
func unsettled(err error) bool {
	return hasCode(err, codeBatchDuplicate, codeDuplicateConflict, codeTooManyBatches, codeWrongLastSeqConstant)
}

// transient tells whether the same request can succeed later: nobody answered (an election, a
// reconnect), too few nodes are there, one could not make a stream yet, a part of a batch was lost on
// the way, so that nothing of it is stored, or the server says 503, as it does for an account that is
// only just being set up.
func transient(err error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.Code == 503 && api.ErrorCode != codeStoreFailed || hasCode(err, codeNoPeers, codeStreamOffline, codeStreamNotMade, codeBatchIncomplete)
	}
	for _, target := range []error{
		nats.ErrTimeout, nats.ErrNoResponders, nats.ErrDisconnected, nats.ErrConnectionReconnecting, nats.ErrReconnectBufExceeded,
		jetstream.ErrNoStreamResponse, context.DeadlineExceeded,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

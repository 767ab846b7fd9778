package abi

import "errors"

// Status is the result of a host function that did not succeed; 0 and more are success, often a
// length. As an error it says what a correct plugin can meet, so that code on both sides of the
// wall returns and compares the same values.
type Status int32

// The statuses of version 1.
const (
	OK          Status = 0
	Closed      Status = -1 // the stream, run or remote stream has ended; leave the loop
	Timeout     Status = -2 // the given time passed with nothing to read
	TooBig      Status = -3 // over the tenant's size limit
	Invalid     Status = -4 // not UTF-8, a line break in an event name or id, a malformed document
	Limit       Status = -5 // a quota or rate is used up; try later
	Denied      Status = -6 // not granted to this plugin or tenant
	NotFound    Status = -7 // no such key, handle or event
	Unavailable Status = -8 // not possible here or now
)

var statusTexts = [...]string{
	"ok", "stream has ended", "timed out", "over the size limit", "invalid argument",
	"quota or rate is used up", "not granted", "not found", "not possible here or now",
}

// Error says what the status means.
func (s Status) Error() string {
	if s > 0 || -int64(s) >= int64(len(statusTexts)) {
		return "unknown status"
	}
	return statusTexts[-s]
}

// StatusOf returns the status that err is or wraps: OK for nil, Unavailable for an error that has
// none.
func StatusOf(err error) Status {
	if err == nil {
		return OK
	}
	var s Status
	if errors.As(err, &s) {
		return s
	}
	return Unavailable
}

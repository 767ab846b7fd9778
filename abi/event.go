package abi

import (
	"strings"
	"time"
	"unicode/utf8"
)

// Event is one event of a stream. Data is any UTF-8 text; on the wire of Server-Sent Events its
// line ends all become LF, everywhere else it keeps its bytes. Strings make an event safe to share
// between viewers.
type Event struct {
	Data     string
	Name     string        // the event type; empty is a browser's "message"
	ID       string        // the last event id from here on; empty leaves it as it was
	Subject  string        // where it was published; the URL for events of a remote stream
	Seq      uint64        // position in the tenant's history, 0 if it has none
	Time     time.Time     // when it was stored or received, in milliseconds
	Retry    time.Duration // what the sender asks of clients that reconnect, in milliseconds; 0 is nothing
	Replayed bool          // it was read from history, not live
	EmptyID  bool          // it sets the last event id to empty; ID is empty too
}

// Check returns nil if the event can be sent, else TooBig or Invalid: data over maxData bytes or
// not UTF-8, a name or id over MaxNameBytes, not UTF-8 or with a line break, an id with a NUL.
func (e Event) Check(maxData int) error {
	switch {
	case len(e.Data) > maxData || len(e.Name) > MaxNameBytes || len(e.ID) > MaxNameBytes:
		return TooBig
	case !utf8.ValidString(e.Data) || !utf8.ValidString(e.Name) || !utf8.ValidString(e.ID),
		strings.ContainsAny(e.Name, "\r\n"), strings.ContainsAny(e.ID, "\r\n\x00"):
		return Invalid
	}
	return nil
}

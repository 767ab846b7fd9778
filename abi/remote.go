package abi

import "encoding/json"

// OpenRequest is the document that open takes: a remote HTTP or Server-Sent Events stream to read.
// Times are milliseconds; a zero field takes its default.
type OpenRequest struct {
	URL     string            `json:"url"`
	Method  string            `json:"method,omitempty"`  // GET, POST, PUT or PATCH; default GET
	Headers map[string]string `json:"headers,omitempty"` // values may hold {{secret.NAME}}
	Body    json.RawMessage   `json:"body,omitempty"`    // a string is sent as it is, all else as JSON

	SSE         bool   `json:"sse,omitempty"` // read as event stream whatever its content type
	LastEventID string `json:"lastEventId,omitempty"`

	ConnectTimeout int64 `json:"connectTimeout,omitempty"` // until the response's headers; default 15000
	IdleTimeout    int64 `json:"idleTimeout,omitempty"`    // without a byte; 0 is none
	Timeout        int64 `json:"timeout,omitempty"`        // of the whole stream; 0 is none
}

// Response is the HTTP side of a remote stream, as the response function gives it: of one that the
// plugin opened, or, by handle 0, of the source whose callback runs.
type Response struct {
	URL         string            `json:"url"`               // the last one, after redirects
	Status      int               `json:"status,omitempty"`  // 0 while there is none
	Headers     map[string]string `json:"headers,omitempty"` // by canonical name
	Attempts    int               `json:"attempts"`          // connections in a row without an event, with this one
	LastEventID string            `json:"lastEventId,omitempty"`
	Error       string            `json:"error,omitempty"` // why the connection ended
	Body        string            `json:"body,omitempty"`  // of an error status: its first 2 KB

	// Of a callback for a source's event, beside the above.
	Events uint64 `json:"events,omitempty"` // received on this connection, with the one at hand
	Bytes  uint64 `json:"bytes,omitempty"`  // of the body so far, decoded
}

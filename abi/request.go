package abi

// Request is what the request function gives, as JSON: the viewer's request that a callback serves.
// For an event callback of scope shared, and for a source's callbacks, only Tenant and Route (or
// source) are set.
type Request struct {
	Method        string              `json:"method,omitempty"`
	Path          string              `json:"path,omitempty"`   // below the tenant's prefix, as the route's path sees it
	Params        map[string]string   `json:"params,omitempty"` // the path's parameters
	Query         map[string][]string `json:"query,omitempty"`
	Headers       map[string]string   `json:"headers,omitempty"` // those of an allow-list, by canonical name
	LastEventID   string              `json:"lastEventId,omitempty"`
	Tenant        string              `json:"tenant"`
	Route         string              `json:"route"`
	Principal     *Principal          `json:"principal,omitempty"` // nil for a public route opened without a token
	RemoteAddress string              `json:"remoteAddress,omitempty"`
	Async         bool                `json:"async,omitempty"`
	Run           string              `json:"run,omitempty"`
}

// Principal is who opened the stream.
type Principal struct {
	Subject string         `json:"subject"` // a token's name, or a JWT's sub
	Claims  map[string]any `json:"claims,omitempty"`
}

package broker

import "time"

// Route is a path of a tenant with what answers on it. Changing it makes a revision.
type Route struct {
	Name      string          `json:"name"`
	Revisions []RouteRevision `json:"revisions"` // newest first, the first is in force; at most MaxRevisions
}

// MaxRevisions is how many revisions of a route are kept.
const MaxRevisions = 50

// RouteRevision is one state of a route.
type RouteRevision struct {
	Revision int       `json:"revision"` // from 1
	Created  time.Time `json:"created"`
	RouteSpec
}

// RouteSpec is what users set of a route; field names and meanings are API.md's, durations
// milliseconds. Web checks it and fills in defaults before it is stored.
type RouteSpec struct {
	Path              string      `json:"path" doc:"The path below /t/{tenant}, with :name and a last * as parameters" example:"/quotes/:symbol"`
	Methods           []string    `json:"methods,omitempty" maxItems:"3" doc:"Default GET"`
	Plugin            string      `json:"plugin,omitempty" doc:"name, name@3 or name@sha256:…; none makes a plain tail"`
	Subjects          []string    `json:"subjects,omitempty" maxItems:"64" doc:"May hold {param}, {query.x} and {claims.x}"`
	Async             bool        `json:"async,omitempty"`
	Retry             int64       `json:"retry,omitempty" minimum:"0" maximum:"86400000" doc:"Milliseconds a client waits before it reconnects; sent once, first"`
	KeepAliveInterval *int64      `json:"keepAliveInterval,omitempty" minimum:"0" maximum:"86400000" doc:"Milliseconds; 0 is off, default 15000"`
	Timeout           int64       `json:"timeout,omitempty" minimum:"0" doc:"Milliseconds after which the stream and its callback are stopped; 0 is none"`
	Cors              Origins     `json:"cors,omitempty"`
	Scope             string      `json:"scope,omitempty" enum:"shared,viewer" doc:"Of an event callback; default shared"`
	Access            Access      `json:"access,omitzero"`
	OnError           string      `json:"onError,omitempty" enum:"close,drop,pass" doc:"Default close"`
	Linger            *int64      `json:"linger,omitempty" minimum:"0" doc:"Milliseconds that a run goes on without a viewer; default 30000"`
	OnDeploy          string      `json:"onDeploy,omitempty" enum:"keep,switch" doc:"Default keep"`
	Limits            RouteLimits `json:"limits,omitzero"`
}

// RouteLimits bound one route on one node; zero is no limit but the server's.
type RouteLimits struct {
	Connections       int   `json:"connections,omitempty" minimum:"0"`
	PerPrincipal      int   `json:"perPrincipal,omitempty" minimum:"0"`
	ConnectsPerSecond int   `json:"connectsPerSecond,omitempty" minimum:"0"`
	BodyBytes         int64 `json:"bodyBytes,omitempty" minimum:"0" maximum:"33554432" doc:"Default 1 MiB"`
}

package broker

import "time"

// Tenant is an isolation boundary: one NATS account with its keys, plugins, routes and history.
type Tenant struct {
	Name    string    `json:"name"`
	UID     string    `json:"-"` // random; a tenant deleted and made again is another one
	Created time.Time `json:"created"`
	Spec
}

// Spec is what an operator sets of a tenant.
type Spec struct {
	Hosts    []string `json:"hosts,omitempty" maxItems:"32" doc:"Host names whose requests are this tenant's, without the /t/{tenant} prefix"`
	Quotas   Quotas   `json:"quotas,omitzero"`
	Outbound []string `json:"outbound,omitempty" maxItems:"256" doc:"Hosts that sources and open may reach"`
}

// Quotas bound what a tenant may use; zero is the server's default.
type Quotas struct {
	HistoryBytes int64  `json:"historyBytes,omitempty" minimum:"0" doc:"Bytes of history kept; default 1 GiB"`
	HistoryAge   string `json:"historyAge,omitempty" doc:"How long events are kept, such as 24h (the default)"`
}

// View is a tenant with all that the registry knows of it, at one moment. It never changes; the
// next change makes another.
type View struct {
	Tenant  Tenant
	Tokens  map[string]Token  // by id
	Plugins map[string]Plugin // by name
	Routes  map[string]Route  // by name
}

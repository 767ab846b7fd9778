package broker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/abi"
)

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
	Timeout           int64       `json:"timeout,omitempty" minimum:"0" maximum:"31536000000" doc:"Milliseconds after which the stream and its callback are stopped; 0 is none"`
	Cors              Origins     `json:"cors,omitempty"`
	Scope             string      `json:"scope,omitempty" enum:"shared,viewer" doc:"Of an event callback; default shared"`
	Access            Access      `json:"access" required:"false"`
	OnError           string      `json:"onError,omitempty" enum:"close,drop,pass" doc:"Default close"`
	Limits            RouteLimits `json:"limits,omitzero"`
}

// RouteLimits bound one route on one node; zero is no limit but the server's.
type RouteLimits struct {
	Connections       int   `json:"connections,omitempty" minimum:"0"`
	PerPrincipal      int   `json:"perPrincipal,omitempty" minimum:"0"`
	ConnectsPerSecond int   `json:"connectsPerSecond,omitempty" minimum:"0"`
	BodyBytes         int64 `json:"bodyBytes,omitempty" minimum:"0" maximum:"33554432" doc:"Default 1 MiB"`
}

// PutRoute makes a route or gives it another spec, which is a new revision; created tells whether it
// wrote one. A spec equal to the current one writes nothing. The plugin that spec names must be there.
func (b *Broker) PutRoute(ctx context.Context, tenant, name string, spec RouteSpec) (_ Route, created bool, err error) {
	if !abi.ValidName(name) {
		return Route{}, false, invalid("route", "%q is not of [a-z0-9-], or too long", name)
	}
	r, created, err := b.changeRoute(ctx, tenant, name, func(Route) (RouteSpec, error) { return spec, nil })
	if err != nil {
		return r, false, fmt.Errorf("put route %s: %w", name, err)
	}
	return r, created, nil
}

// RollbackRoute writes a new revision with the spec of revision to; 0 is the one before the
// current. ErrNotFound if there is no such route or revision.
func (b *Broker) RollbackRoute(ctx context.Context, tenant, name string, to int) (Route, error) {
	r, _, err := b.changeRoute(ctx, tenant, name, func(r Route) (RouteSpec, error) {
		for i, revision := range r.Revisions {
			if to == revision.Revision || to == 0 && i == 1 {
				return revision.RouteSpec, nil
			}
		}
		return RouteSpec{}, ErrNotFound
	})
	if err != nil {
		return r, fmt.Errorf("roll back route %s: %w", name, err)
	}
	return r, nil
}

// changeRoute writes the spec that pick makes of the current route, whose revisions may be none.
func (b *Broker) changeRoute(ctx context.Context, tenant, name string, pick func(Route) (RouteSpec, error)) (r Route, created bool, err error) {
	key := "routes." + tenant + "." + name
	err = b.changePart(ctx, tenant, key, func() error {
		return change(ctx, b.registry, key, func(current Route, _ bool) (Route, bool, error) {
			created = false
			r = current
			spec, err := pick(current)
			if err != nil {
				return r, false, err
			}
			if err := b.checkPlugin(ctx, tenant, spec.Plugin); err != nil {
				return r, false, err
			}
			last := 0
			if len(current.Revisions) > 0 {
				if last = current.Revisions[0].Revision; sameSpec(current.Revisions[0].RouteSpec, spec) {
					return r, false, nil
				}
			}
			created, r.Name = true, name
			r.Revisions = slices.Insert(r.Revisions, 0, RouteRevision{last + 1, time.Now().UTC(), spec})
			r.Revisions = r.Revisions[:min(len(r.Revisions), MaxRevisions)]
			return r, true, nil
		})
	})
	return r, created, err
}

// sameSpec compares what would be stored.
func sameSpec(a, b RouteSpec) bool {
	left, errLeft := json.Marshal(a)
	right, errRight := json.Marshal(b)
	return errLeft == nil && errRight == nil && bytes.Equal(left, right)
}

// DeleteRoute removes a route with its revisions; ErrNotFound if there is none.
func (b *Broker) DeleteRoute(ctx context.Context, tenant, name string) error {
	if _, err := b.View(ctx, tenant); err != nil {
		return err
	}
	if !abi.ValidName(name) {
		return fmt.Errorf("route %q: %w", name, ErrNotFound)
	}
	if err := b.registry.remove(ctx, "routes."+tenant+"."+name); err != nil {
		return fmt.Errorf("delete route %s: %w", name, err)
	}
	return nil
}

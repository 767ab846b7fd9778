package web

import (
	"net/http"

	"github.com/millrace/millrace/broker"
)

// What one tenant may have of each, so that its registry stays small enough to be held by every
// node.
const (
	maxTokens  = 1000
	maxPlugins = 200
	maxRoutes  = 1000
)

// roomFor returns a 409 if a tenant has all it may of something, unless name is there already.
func roomFor[V any](have map[string]V, name, what string, most int) error {
	if _, exists := have[name]; exists || len(have) < most {
		return nil
	}
	return fail(http.StatusConflict, "The tenant has %d %s, which is all that it may have; delete one first.", len(have), what)
}

// roomForRoute is roomFor a route and the plugin that is uploaded for it.
func roomForRoute(view *broker.View, name string) error {
	if err := roomFor(view.Plugins, name, "plugins", maxPlugins); err != nil {
		return err
	}
	return roomFor(view.Routes, name, "routes", maxRoutes)
}

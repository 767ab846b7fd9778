package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/millrace/millrace/broker"
)

// allowOrigin sets the CORS headers of a response to a request with an Origin. The answer names
// exactly the origin that asked, and credentials are allowed only to origins that are listed.
func allowOrigin(h http.Header, origins broker.Origins, r *http.Request) {
	if len(origins) == 0 {
		return
	}
	any := slices.Contains(origins, "*")
	if (!any || len(origins) > 1) && !slices.Contains(h.Values("Vary"), "Origin") {
		h.Add("Vary", "Origin")
	}
	origin := r.Header.Get("Origin")
	switch {
	case origin == "":
	case slices.Contains(origins, origin) && origin != "*":
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
	case any:
		h.Set("Access-Control-Allow-Origin", "*")
	}
}

// preflight answers an OPTIONS request before a cross-origin one.
func preflight(w http.ResponseWriter, origins broker.Origins, methods []string, r *http.Request) {
	h := w.Header()
	allowOrigin(h, origins, r)
	h.Set("Allow", strings.Join(methods, ", "))
	if h.Get("Access-Control-Allow-Origin") != "" {
		h.Set("Access-Control-Allow-Methods", strings.Join(methods, ", "))
		h.Set("Access-Control-Allow-Headers", "Authorization, Cache-Control, Content-Type, Idempotency-Key, Last-Event-ID")
		h.Set("Access-Control-Max-Age", "600")
	}
	w.WriteHeader(http.StatusNoContent)
}

package web

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker"
)

// defaultKeepAlive is in milliseconds.
const defaultKeepAlive = 15_000

var (
	pathSegment = regexp.MustCompile(`^[A-Za-z0-9._~-]+$`)
	pathParam   = regexp.MustCompile(`^:[A-Za-z_][A-Za-z0-9_]*$`)
	origin      = regexp.MustCompile(`^https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?$`)
)

// checkRoute checks what the document's schema cannot, and fills in the defaults.
func checkRoute(view *broker.View, name string, spec *broker.RouteSpec) error {
	params, problem := checkPath(spec.Path)
	if problem != "" {
		return bad("body.path", "The path %s.", problem)
	}
	spec.Methods = slices.Compact(slices.Sorted(slices.Values(spec.Methods)))
	if slices.Equal(spec.Methods, []string{http.MethodGet}) {
		spec.Methods = nil
	}
	for _, m := range spec.Methods {
		if m != http.MethodGet && m != http.MethodPost {
			return bad("body.methods", "The method %q is neither GET nor POST.", m)
		}
	}
	for _, subject := range spec.Subjects {
		if problem := checkSubject(subject, params); problem != "" {
			return bad("body.subjects", "The subject %q %s.", subject, problem)
		}
	}
	for i, o := range spec.Cors {
		o = normalOrigin(o)
		spec.Cors[i] = o
		if o != "*" && !origin.MatchString(o) {
			return bad("body.cors", "%q is neither * nor an origin, such as https://app.example.com.", o)
		}
	}
	if err := checkConflict(view, name, spec); err != nil {
		return err
	}
	fillDefaults(spec)
	return checkCallback(view, spec)
}

// normalOrigin writes an origin as browsers send it: in lower case, without the scheme's own port.
func normalOrigin(o string) string {
	o = strings.ToLower(o)
	for scheme, port := range map[string]string{"http://": ":80", "https://": ":443"} {
		if strings.HasPrefix(o, scheme) {
			return strings.TrimSuffix(o, port)
		}
	}
	return o
}

// checkPath returns a path's parameters, or what is wrong with it.
func checkPath(path string) (params []string, problem string) {
	if len(path) < 1 || len(path) > 512 || path[0] != '/' {
		return nil, "has to begin with / and have at most 512 characters"
	}
	if strings.HasPrefix(path, "/_") {
		return nil, "may not begin with /_, which is kept for the server"
	}
	if path == "/" {
		return nil, ""
	}
	segments := strings.Split(path[1:], "/")
	for i, seg := range segments {
		switch {
		case seg == "*" && i == len(segments)-1:
			params = append(params, "*")
		case pathParam.MatchString(seg):
			if slices.Contains(params, seg[1:]) {
				return nil, "has the parameter " + seg + " twice"
			}
			params = append(params, seg[1:])
		case !pathSegment.MatchString(seg) || seg == "." || seg == "..":
			return nil, "has a segment that is neither plain text, :parameter nor a last *"
		}
	}
	return params, ""
}

// pathShape is the path without its parameters' names: two routes of one shape match the same.
func pathShape(path string) string {
	segments := strings.Split(path, "/")
	for i, seg := range segments {
		if strings.HasPrefix(seg, ":") {
			segments[i] = ":"
		}
	}
	return strings.Join(segments, "/")
}

func checkConflict(view *broker.View, name string, spec *broker.RouteSpec) error {
	for other, r := range view.Routes {
		have := r.Revisions[0].RouteSpec
		if other == name || pathShape(have.Path) != pathShape(spec.Path) {
			continue
		}
		if slices.ContainsFunc(methods(have), func(m string) bool { return slices.Contains(methods(*spec), m) }) {
			return fail(http.StatusConflict, "The route %s has this path already.", other).at("body.path", "in use")
		}
	}
	return nil
}

func fillDefaults(spec *broker.RouteSpec) {
	if spec.KeepAliveInterval == nil {
		spec.KeepAliveInterval = new(int64)
		*spec.KeepAliveInterval = defaultKeepAlive
	}
	for _, f := range []struct {
		v   *string
		def string
	}{{&spec.Scope, "shared"}, {&spec.OnError, "close"}} {
		if *f.v == "" {
			*f.v = f.def
		}
	}
}

// checkCallback checks that the route can do what it is made of.
func checkCallback(view *broker.View, spec *broker.RouteSpec) error {
	kind := ""
	if spec.Plugin != "" {
		v, err := findVersion(view, spec.Plugin)
		if err != nil {
			return err
		}
		if kind = callbackKind(v.Exports); kind == "" {
			return bad("body.plugin", "The plugin exports neither onStream nor onEvent, so that no route can run it.")
		}
	}
	if kind != abi.OnStream && len(spec.Subjects) == 0 {
		return bad("body.subjects", "A route without a callback, or with an event callback, needs subjects.")
	}
	return nil
}

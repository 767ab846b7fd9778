package web

import (
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker"
)

// A subject of a route may hold {param}, {query.x} and {claims.x}, filled in from each request. A
// value can never widen the subscription: what has a dot, a wildcard or white space in it is
// refused.

// placeholders returns the names between braces, in order; ok is false when braces do not pair.
func placeholders(template string) (names []string, ok bool) {
	for rest := template; ; {
		before, after, found := strings.Cut(rest, "{")
		if !found {
			return names, !strings.Contains(before, "}")
		}
		name, tail, closed := strings.Cut(after, "}")
		if !closed || strings.Contains(before, "}") || name == "" || strings.Contains(name, "{") {
			return nil, false
		}
		names, rest = append(names, name), tail
	}
}

// expand fills in a template.
func expand(template string, value func(name string) string) string {
	var b strings.Builder
	for rest := template; ; {
		before, after, found := strings.Cut(rest, "{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name, tail, _ := strings.Cut(after, "}")
		b.WriteString(value(name))
		rest = tail
	}
}

// checkSubject says what is wrong with a route's subject, given the path's parameters; "" is right.
func checkSubject(template string, params []string) string {
	names, ok := placeholders(template)
	if !ok {
		return "has braces that do not pair"
	}
	for _, n := range names {
		kind, rest, dotted := strings.Cut(n, ".")
		switch {
		case dotted && (kind == "query" || kind == "claims") && rest != "":
		case !slices.Contains(params, n):
			return "names {" + n + "}, which is no parameter of the path, query.… or claims.…"
		}
	}
	if err := broker.ValidPattern(expand(template, func(string) string { return "x" })); err != nil {
		return reason(err)
	}
	return ""
}

// resolveSubjects gives the subjects that a request subscribes to, sorted and without repeats.
func resolveSubjects(templates []string, req *abi.Request) ([]string, error) {
	subjects := make([]string, 0, len(templates))
	for _, t := range templates {
		var wrong string
		s := expand(t, func(name string) string {
			v := placeholderValue(name, req)
			if !safeToken(v) {
				wrong = name
			}
			return v
		})
		if wrong != "" {
			return nil, fail(http.StatusBadRequest,
				"The value for {%s} is missing or has a dot, a wildcard or white space in it.", wrong).
				at(wrong, "must be one subject token")
		}
		subjects = append(subjects, s)
	}
	slices.Sort(subjects)
	return slices.Compact(subjects), nil
}

func placeholderValue(name string, req *abi.Request) string {
	kind, rest, dotted := strings.Cut(name, ".")
	switch {
	case dotted && kind == "query":
		if vs := req.Query[rest]; len(vs) == 1 {
			return vs[0]
		}
		return ""
	case dotted && kind == "claims":
		if req.Principal == nil {
			return ""
		}
		if rest == "sub" {
			return req.Principal.Subject
		}
		v, _ := req.Principal.Claims[rest].(string)
		return v
	}
	return req.Params[name]
}

// safeToken tells whether a value from outside is one literal subject token.
func safeToken(v string) bool {
	return v != "" && len(v) <= 256 && utf8.ValidString(v) && !strings.ContainsFunc(v, func(r rune) bool {
		return strings.ContainsRune(".*>/", r) || unicode.IsSpace(r) || unicode.IsControl(r)
	})
}

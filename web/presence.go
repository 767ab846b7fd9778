package web

import (
	"cmp"
	"context"
	"slices"
)

// maxPresent is how many principals a list of viewers has at most.
const maxPresent = 1000

// presence is who has streams of a route open on this node.
type presence struct {
	Node       string    `json:"node" doc:"The node that answers; in a cluster each counts its own"`
	Viewers    int       `json:"viewers" doc:"Streams that are open, or being opened"`
	Principals []present `json:"principals" doc:"Those with the most streams, 1,000 at most"`
}

// present is one of them.
type present struct {
	Name    string `json:"name" doc:"A token, or an address of viewers without one"`
	Viewers int    `json:"viewers"`
}

type presenceOut struct{ Body presence }

// routeViewers answers GET /v1/tenants/{tenant}/routes/{route}/viewers.
func (s *Server) routeViewers(ctx context.Context, in *RoutePath) (*presenceOut, error) {
	if _, err := s.findRoute(ctx, in); err != nil {
		return nil, err
	}
	out := &presenceOut{presence{Node: s.config.Node, Principals: []present{}}}
	if r := s.sites.get(in.Tenant).route(in.Route); r != nil {
		out.Body.Viewers, out.Body.Principals = r.limits.present(maxPresent)
	}
	return out, nil
}

// present is how many streams are open, and whose: those with the most first, and most of them at most.
func (l *limiter) present(most int) (open int, of []present) {
	l.mu.Lock()
	open, of = l.open, make([]present, 0, len(l.byWho))
	for who, n := range l.byWho {
		of = append(of, present{who, n})
	}
	l.mu.Unlock()
	slices.SortFunc(of, func(a, b present) int {
		return cmp.Or(cmp.Compare(b.Viewers, a.Viewers), cmp.Compare(a.Name, b.Name))
	})
	return open, of[:min(len(of), most)]
}

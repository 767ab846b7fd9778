package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker"
)

// stream answers /t/{tenant}/…
func (s *Server) stream(c echo.Context) error {
	tenant := c.Param("tenant")
	return s.serveTenant(c, tenant, strings.TrimPrefix(c.Request().URL.EscapedPath(), "/t/"+tenant))
}

// serveTenant opens the stream of the route at path, which is escaped and below the tenant's prefix.
func (s *Server) serveTenant(c echo.Context, tenant, path string) error {
	if path == "" {
		path = "/"
	}
	ctx := c.Request().Context()
	v, err := s.findViewer(c, tenant, path)
	again, err := s.again(ctx, err)
	if again {
		if err := s.awaitSite(ctx, tenant); err != nil {
			return err
		}
		v, err = s.findViewer(c, tenant, path)
	}
	if err != nil || v == nil {
		return err
	}
	return v.serve(c)
}

// findViewer finds what is asked for and checks all that can be known before the stream is opened. A
// preflight it answers, and returns nil.
func (s *Server) findViewer(c echo.Context, tenant, path string) (*viewer, error) {
	st, err := s.site(c.Request().Context(), tenant)
	if err != nil {
		return nil, err
	}
	if c.Request().Method == http.MethodOptions {
		return nil, s.options(c, st, path)
	}
	r, rc, err := st.find(c.Request(), c.Response(), path)
	if err != nil {
		return nil, err
	}
	allowOrigin(c.Response().Header(), r.spec.Cors, c.Request())
	// The site may still be on its way to a token that was made a moment ago.
	view, err := s.broker.View(c.Request().Context(), tenant)
	if err != nil {
		return nil, err
	}
	return s.newViewer(rc, view, r, path)
}

// unknownHost has a request that is for nothing of the server's own looked at again: another node may
// just have heard that its host is a tenant's.
func (s *Server) unknownHost(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		err := next(c)
		path := c.Request().URL.EscapedPath()
		if !errors.Is(err, echo.ErrNotFound) || strings.HasPrefix(path, "/t/") || strings.HasPrefix(path, "/v1/") {
			return err
		}
		ctx := c.Request().Context()
		again, err := s.again(ctx, err)
		if !again {
			return err
		}
		for _, v := range s.broker.Views() {
			if slices.Contains(v.Tenant.Hosts, nameOfHost(c.Request().Host)) {
				if err := s.awaitSite(ctx, v.Tenant.Name); err != nil {
					return err
				}
				return s.serveTenant(c, v.Tenant.Name, path)
			}
		}
		return echo.ErrNotFound
	}
}

// site returns what a tenant serves here. A tenant that this node has not heard of yet is looked up
// where the registry is written.
func (s *Server) site(ctx context.Context, tenant string) (*site, error) {
	if st := s.sites.get(tenant); st != nil {
		return st, nil
	}
	if _, err := s.broker.View(ctx, tenant); err != nil {
		if errors.Is(err, broker.ErrNotFound) {
			return nil, fail(http.StatusNotFound, "There is no route at this path.")
		}
		return nil, err
	}
	s.sites.changed(tenant)
	if err := s.awaitSite(ctx, tenant); err != nil {
		return nil, err
	}
	if st := s.sites.get(tenant); st != nil {
		return st, nil
	}
	return nil, fail(http.StatusNotFound, "There is no route at this path.")
}

// awaitSite waits, for a while, until this node serves what it knows of a tenant.
func (s *Server) awaitSite(ctx context.Context, tenant string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := s.sites.await(ctx, tenant); err != nil {
		return fail(http.StatusServiceUnavailable, "The tenant's callbacks are being prepared.").later(2)
	}
	return nil
}

func (s *Server) options(c echo.Context, st *site, path string) error {
	ask := c.Request().Clone(c.Request().Context())
	ask.Method = c.Request().Header.Get("Access-Control-Request-Method")
	if ask.Method == "" {
		ask.Method = http.MethodGet
	}
	r, _, err := st.find(ask, c.Response(), path)
	if err != nil {
		return err
	}
	preflight(c.Response(), r.spec.Cors, methods(r.spec), c.Request())
	return nil
}

// newViewer checks all that can be known before the stream is opened: access, subjects and start.
func (s *Server) newViewer(c echo.Context, view *broker.View, r *route, path string) (*viewer, error) {
	if r.failed != nil {
		return nil, fail(http.StatusServiceUnavailable, "The route's callback cannot be prepared on this node.").later(5)
	}
	req, err := newRequest(c, r, path)
	if err != nil {
		return nil, err
	}
	who, subjects, err := s.admitViewer(c.Request(), view, r, req)
	if err != nil {
		return nil, err
	}
	return s.admittedViewer(c, r, req, who, subjects)
}

// admittedViewer is the rest of newViewer, once access is granted.
func (s *Server) admittedViewer(c echo.Context, r *route, req *abi.Request, who principal, subjects []string) (*viewer, error) {
	from, err := startFrom(c.Request())
	if err != nil {
		return nil, err
	}
	return &viewer{
		server: s, route: r, request: req, who: who, subjects: subjects, from: from,
	}, nil
}

// admitViewer checks access to a route with the subjects that the request resolves to.
func (s *Server) admitViewer(h *http.Request, view *broker.View, r *route, req *abi.Request) (principal, []string, error) {
	public := r.spec.Access.Public
	who, err := s.authenticate(h, view, public)
	if err != nil {
		return who, nil, err
	}
	req.Principal = who.abi()
	subjects, err := resolveSubjects(r.spec.Subjects, req)
	if err != nil {
		return who, nil, err
	}
	return who, subjects, who.allowed(need{
		scope: scopeSubscribe, subjects: subjects, public: public, claims: r.spec.Access.Claims,
	})
}

package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/millrace/millrace/broker"
)

// healthz says that the process answers.
func (s *Server) healthz(c echo.Context) error {
	return c.JSON(http.StatusOK, map[string]string{"status": "alive", "version": s.config.Version})
}

// readyz says whether this node can serve: it is not draining nor cut off from the others, the
// callbacks of all routes were prepared, what it keeps a copy of is current, and an event can be
// published and read back.
func (s *Server) readyz(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), 3*time.Second)
	defer cancel()
	if p := s.unready(ctx); p != nil {
		return p
	}
	return c.JSON(http.StatusOK, map[string]string{"status": "ready"})
}

// unready is why this node is not to get viewers and publishers, nil if it is.
func (s *Server) unready(ctx context.Context) *problem {
	if why := s.gate.why(); why != nil {
		return notHere(why)
	}
	if !s.sites.loaded() {
		return fail(http.StatusServiceUnavailable, "Callbacks are still being prepared.").later(1)
	}
	err := s.broker.Check(ctx)
	if err == nil {
		return nil
	}
	if errors.Is(err, broker.ErrBehind) {
		s.log.Debug("not ready", "error", err) // it says so again at each probe, for as long as it takes
		return fail(http.StatusServiceUnavailable, "The node does not have all yet that it keeps a copy of.").later(1)
	}
	s.log.Warn("not ready", "error", err)
	return fail(http.StatusServiceUnavailable, "The event store cannot be written and read back.").later(1)
}

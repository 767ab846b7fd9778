package web

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// healthz says that the process answers.
func (s *Server) healthz(c echo.Context) error {
	return c.JSON(http.StatusOK, map[string]string{"status": "alive", "version": s.config.Version})
}

// readyz says whether this node can serve: it is not draining, the callbacks of all routes were
// prepared, and an event can be published and read back.
func (s *Server) readyz(c echo.Context) error {
	if s.draining.Load() {
		return fail(http.StatusServiceUnavailable, "The node is draining.").later(5)
	}
	if !s.sites.loaded() {
		return fail(http.StatusServiceUnavailable, "Callbacks are still being prepared.").later(1)
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), 3*time.Second)
	defer cancel()
	if err := s.broker.Check(ctx); err != nil {
		s.log.Warn("not ready", "error", err)
		return fail(http.StatusServiceUnavailable, "The event store cannot be written and read back.").later(1)
	}
	return c.JSON(http.StatusOK, map[string]string{"status": "ready"})
}

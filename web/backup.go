package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/broker/backup"
)

// BackupKeyHeader carries the key that a backup's secrets are sealed with.
const BackupKeyHeader = "Millrace-Backup-Key"

const (
	maxBackups  = 4               // backups and restores under way on one node
	backupStall = 2 * time.Minute // after which one that brings or takes no bytes is cut
)

// backupCalls registers backup and restore with Echo itself, since their bodies are streams, and
// describes them in the document.
func (s *Server) backupCalls(e *echo.Echo, api huma.API) {
	tar := map[string]*huma.MediaType{"application/x-tar": {}}
	add := func(method, name, summary string, h echo.HandlerFunc, describe func(*huma.Operation)) {
		op := operation(method, "/v1/tenants/{tenant}/"+name, name, summary, "")
		op.Metadata = nil
		op.Parameters = append(pathParams(op.Path), param(BackupKeyHeader, "header"))
		describe(&op)
		api.OpenAPI().AddOperation(&op)
		e.Add(method, echoPath(op.Path), h)
	}
	add(http.MethodGet, "backup", "Stream a backup of a tenant", s.backup, func(op *huma.Operation) {
		op.Responses = map[string]*huma.Response{"200": {Description: "A backup", Content: tar}}
	})
	add(http.MethodPost, "restore", "Make a tenant of a backup", s.restore, func(op *huma.Operation) {
		for _, name := range []string{"replace", "withoutSecrets", "stopSources"} {
			op.Parameters = append(op.Parameters, param(name, "query"))
		}
		op.RequestBody = &huma.RequestBody{Required: true, Content: tar}
		op.Responses = map[string]*huma.Response{"201": {Description: "Restored", Content: map[string]*huma.MediaType{"application/json": {}}}}
	})
}

// backup streams a tenant. An administrator of the tenant gets it without the secrets, which only the
// operator's word lets out, sealed.
func (s *Server) backup(c echo.Context) error {
	view, who, err := s.admitCaller(c, scopeAdmin, nil)
	if err != nil {
		return err
	}
	key, err := backupKey(c.Request())
	if err != nil {
		return err
	}
	if key != nil && !who.operator {
		return fail(http.StatusForbidden, "Only the operator can have secrets in a backup; without a key they are left out.")
	}
	if !s.backups.enter() {
		return tooManyBackups()
	}
	defer s.backups.leave()
	c.Response().Header().Set("Content-Type", "application/x-tar")
	c.Response().Header().Set("Content-Disposition", `attachment; filename="`+view.Tenant.Name+`.backup.tar"`)
	c.Response().Header().Set("Cache-Control", "no-store")
	out := &patientWriter{c.Response(), http.NewResponseController(c.Response())}
	ctx, tenant := c.Request().Context(), view.Tenant.Name
	err = s.broker.Backup(ctx, tenant, broker.BackupOptions{Key: key, Version: s.config.Version}, out)
	if err == nil {
		return nil
	}
	if !c.Response().Committed {
		c.Response().Header().Del("Content-Disposition")
		return err
	}
	if ctx.Err() == nil {
		s.log.Error("backup broke off", "tenant", tenant, "error", err)
	}
	panic(http.ErrAbortHandler) // so that nobody takes what was sent for the whole
}

func tooManyBackups() error {
	return fail(http.StatusTooManyRequests, "This node has %d backups and restores under way, which is all that it does at once.", maxBackups).later(5)
}

// backupKey is the key that the request brings, nil if it brings none.
func backupKey(r *http.Request) (*backup.Key, error) {
	text := r.Header.Get(BackupKeyHeader)
	if text == "" {
		return nil, nil
	}
	key, err := backup.ParseKey(text)
	if err != nil {
		return nil, fail(http.StatusBadRequest, "The header %s holds no key: it is 32 bytes in Base64, for URLs and without padding.", BackupKeyHeader)
	}
	return key, nil
}

// patientWriter gives each write its own time.
type patientWriter struct {
	to      *echo.Response
	control *http.ResponseController
}

func (w *patientWriter) Write(b []byte) (n int, err error) {
	if !w.to.Committed {
		w.to.WriteHeader(http.StatusOK) // which sets a time for the whole
	}
	for part := range slices.Chunk(b, 256<<10) {
		_ = w.control.SetWriteDeadline(time.Now().Add(backupStall))
		m, err := w.to.Write(part)
		if n += m; err != nil {
			return n, err
		}
	}
	return n, nil
}

// patientReader gives each read its own time.
type patientReader struct {
	io.Reader
	control *http.ResponseController
}

func (r *patientReader) Read(b []byte) (int, error) {
	_ = r.control.SetReadDeadline(time.Now().Add(backupStall))
	return r.Reader.Read(b)
}

// restored is the answer to a restore.
type restored struct {
	Tenant   string   `json:"tenant"`
	Events   uint64   `json:"events"`
	Last     uint64   `json:"last"` // sequence of the last event
	Values   uint64   `json:"values"`
	Secrets  int      `json:"secrets"`
	Missing  int      `json:"secretsLeftOut"`
	LeftOut  []string `json:"hostsLeftOut,omitempty"` // of the tenant, that are another's
	Replaced bool     `json:"replaced"`
}

// restore makes a tenant of a backup.
func (s *Server) restore(c echo.Context) error {
	if _, err := s.admitTenant(c, scopeOperator, nil); err != nil {
		return err
	}
	key, err := backupKey(c.Request())
	if err != nil {
		return err
	}
	if !s.backups.enter() {
		return tooManyBackups()
	}
	defer s.backups.leave()
	name, q := c.Param("tenant"), c.QueryParams()
	ctx := c.Request().Context()
	answer := restored{Tenant: name}
	if _, err := s.broker.View(ctx, name); err == nil {
		answer.Replaced = true
	}
	control := http.NewResponseController(c.Response())
	defer func() { _ = control.SetReadDeadline(time.Time{}) }()
	done, err := s.broker.Restore(ctx, name, &patientReader{c.Request().Body, control}, broker.RestoreOptions{
		Key: key, WithoutSecrets: q.Get("withoutSecrets") == "true", Replace: q.Get("replace") == "true",
		StopSources: q.Get("stopSources") == "true",
		Check: func(v *broker.View) error {
			answer.LeftOut = s.leaveOutHosts(name, v)
			return s.checkRestored(name, v)
		},
	})
	if err != nil {
		return restoreProblem(err)
	}
	s.log.Info("tenant restored", "tenant", name, "events", done.Events, "replaced", answer.Replaced)
	answer.Events, answer.Last, answer.Values = done.Events, done.Last, done.Values
	answer.Secrets, answer.Missing = done.Secrets, done.SecretsLeftOut
	waiting, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	_ = s.sites.await(waiting, name) // it is restored, whether this node serves it yet or not
	return c.JSON(http.StatusCreated, answer)
}

// leaveOutHosts takes hosts from v that other tenants have, and returns them.
func (s *Server) leaveOutHosts(tenant string, v *broker.View) (out []string) {
	for _, other := range s.broker.Views() {
		if other.Tenant.Name == tenant {
			continue
		}
		v.Tenant.Hosts = slices.DeleteFunc(v.Tenant.Hosts, func(h string) bool {
			taken := slices.ContainsFunc(other.Tenant.Hosts, func(has string) bool { return strings.EqualFold(h, has) })
			if taken {
				out = append(out, h)
			}
			return taken
		})
	}
	return out
}

// checkRestored refuses what would do harm, not what could not be put today: a backup has to be
// restored by the program that comes after the one that made it, too.
func (s *Server) checkRestored(tenant string, v *broker.View) error {
	if err := s.checkSpec(tenant, &v.Tenant.Spec); err != nil {
		return err
	}
	if len(v.Tokens) > maxTokens || len(v.Plugins) > maxPlugins || len(v.Routes) > maxRoutes {
		return bad("body", "The backup has more tokens, plugins or routes than a tenant may have.")
	}
	for _, name := range sortedKeys(v.Routes) {
		for _, rev := range v.Routes[name].Revisions {
			if _, problem := checkPath(rev.Path); problem != "" {
				return bad("body", "The path of the route %s %s.", name, problem)
			}
		}
	}
	return nil
}

// restoreProblem says of errors that only a restore has what they mean.
func restoreProblem(err error) error {
	switch {
	case errors.Is(err, broker.ErrExists):
		return fail(http.StatusConflict, "The tenant exists: with replace it is deleted, and the backup takes its place.")
	case errors.Is(err, broker.ErrKey):
		return bad("header."+BackupKeyHeader, "The backup's secrets are sealed with another key than was given. Give the one that it was made with, or leave the secrets out.")
	case errors.Is(err, backup.ErrDamaged), errors.Is(err, backup.ErrFormat):
		return bad("body", "Nothing is restored: %v.", err)
	case errors.Is(err, broker.ErrLost), errors.Is(err, broker.ErrConflict):
		return fail(http.StatusConflict, "Somebody else made, changed or deleted the tenant meanwhile; repeat it.")
	}
	return err
}

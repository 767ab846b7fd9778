package web

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/broker/source"
	"github.com/millrace/millrace/host"
)

// outbound is a tenant's way to remote servers: one client for its sources and for what its plugins
// open, which reaches the hosts that the tenant may and fills in its secrets.
type outbound struct {
	client *source.Client
	node   *room // of all tenants
	room   room  // of this one
}

// newOutbound makes the way of a view's tenant. It follows the tenant's allow-list as it changes.
func (s *Server) newOutbound(view *broker.View) *outbound {
	name, uid := view.Tenant.Name, view.Tenant.UID
	return &outbound{
		client: source.NewClient(source.ClientConfig{
			AllowPrivate: s.config.AllowPrivateOutbound,
			Hosts: func(host string) bool {
				now, err := s.broker.View(context.Background(), name)
				return err == nil && now.Tenant.UID == uid && now.MayReach(host)
			},
			Secrets: func(ctx context.Context, secret, host string) (string, error) {
				return s.broker.Secret(ctx, name, secret, host)
			},
		}),
		node: s.remotes,
		room: room{most: int64(s.config.TenantRemotes)},
	}
}

func (o *outbound) enter() bool {
	if !o.room.enter() {
		return false
	}
	if !o.node.enter() {
		o.room.leave()
		return false
	}
	return true
}

func (o *outbound) leave() {
	o.node.leave()
	o.room.leave()
}

// opener opens remote streams for a plugin. What goes wrong is told in the plugin's log: the plugin
// itself learns no more than a status.
type opener struct {
	*outbound
	log func(level slog.Level, text string)
}

var _ host.Opener = opener{}

// Open connects and returns the stream. A response whose status is an error is one as well, which
// has failed already; its Response tells.
func (o opener) Open(ctx context.Context, r abi.OpenRequest) (host.Remote, error) {
	request, err := openRequest(r)
	if err != nil {
		return nil, err
	}
	if !o.enter() {
		o.log(slog.LevelWarn, "open: as many remote streams are open as there may be")
		return nil, abi.Limit
	}
	ctx, cancel := context.WithCancel(ctx)
	stream, err := o.client.Connect(ctx, request)
	var status *source.StatusError
	switch {
	case err == nil:
		return newRemote(ctx, stream, func() { cancel(); o.leave() }), nil
	case errors.As(err, &status):
		cancel()
		return refusedRemote(request, status, o.leave), nil
	}
	cancel()
	o.leave()
	if ctx.Err() == nil {
		o.log(slog.LevelWarn, "open: "+err.Error())
	}
	return nil, openStatus(err)
}

// maxOpenMillis is the longest time that open takes, a day.
const maxOpenMillis = int64(24 * time.Hour / time.Millisecond)

// openRequest is what a plugin asks for, as the client takes it.
func openRequest(r abi.OpenRequest) (source.Request, error) {
	if max(r.ConnectTimeout, r.IdleTimeout, r.Timeout) > maxOpenMillis {
		return source.Request{}, abi.Invalid
	}
	request := source.Request{
		URL: r.URL, Method: r.Method, Headers: r.Headers, SSE: r.SSE, LastEventID: r.LastEventID,
		ConnectTimeout: millis(r.ConnectTimeout), IdleTimeout: millis(r.IdleTimeout), Timeout: millis(r.Timeout),
	}
	if len(r.Body) == 0 || bytes.Equal(r.Body, []byte("null")) {
		return request, nil
	}
	if r.Method == "" || r.Method == http.MethodGet {
		return request, abi.Invalid
	}
	request.Body, request.ContentType = r.Body, "application/json"
	if text, ok := jsonString(r.Body); ok {
		request.Body, request.ContentType = []byte(text), "text/plain; charset=utf-8"
	}
	return request, nil
}

func millis(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

// openStatus is why a stream was not opened, as a plugin sees it.
func openStatus(err error) error {
	var field *source.FieldError
	switch {
	case errors.As(err, &field):
		return abi.Invalid
	case errors.Is(err, source.ErrNoSecret):
		return abi.NotFound
	case errors.Is(err, abi.Denied):
		return abi.Denied
	case errors.Is(err, abi.Timeout):
		return abi.Timeout
	}
	return abi.Unavailable
}

package web

import (
	"context"
	"fmt"
	"sync"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/host"
)

// callback is a prepared plugin that routes and streams share. Whoever uses it holds a reference;
// the last one releases the plugin, so that an open stream keeps the version it began with.
type callback struct {
	plugin  *host.Plugin
	version broker.PluginVersion

	mu   sync.Mutex
	refs int
}

// prepare fetches and prepares one version, with one reference held.
func prepare(ctx context.Context, b *broker.Broker, h *host.Host, v broker.PluginVersion) (*callback, error) {
	wasm, err := b.PluginBytes(ctx, v.Digest)
	if err != nil {
		return nil, fmt.Errorf("read plugin %s@%d: %w", v.Name, v.Version, err)
	}
	p, err := h.Prepare(ctx, wasm)
	if err != nil {
		return nil, fmt.Errorf("prepare plugin %s@%d: %w", v.Name, v.Version, err)
	}
	return &callback{plugin: p, version: v, refs: 1}, nil
}

// hold takes a reference; false means that the last one has just gone.
func (c *callback) hold() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refs == 0 {
		return false
	}
	c.refs++
	return true
}

// drop gives a reference back.
func (c *callback) drop() {
	c.mu.Lock()
	c.refs--
	last := c.refs == 0
	c.mu.Unlock()
	if last {
		c.plugin.Release()
	}
}

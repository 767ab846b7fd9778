package host

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// Plugin is a module that is ready to run. Its methods are safe for concurrent use.
type Plugin struct {
	host *Host
	code *code
	log  *pluginLog
	pool pool // for all callbacks but onStream

	share *Share // of calls whose session has none

	remembers atomic.Bool // what idle instances hold in memory, see Source

	mu       sync.Mutex
	released bool
}

// Info is what is known of a module.
type Info struct {
	Digest  string   // sha256: and hex
	Size    int      // bytes
	Exports []string // callbacks, in the order of abi.Callbacks
	Imports []string // host functions, sorted
	// Snapshot tells whether instances begin where _initialize ended, and share the memory that they
	// do not write; if not, SnapshotReason tells why, and each runs _initialize itself.
	Snapshot       bool
	SnapshotReason string
	Output         string // the last that it wrote to its log when it started for trial

	Language string // a guess: go, tinygo, rust, c, zig, assemblyscript, or empty
}

// newPlugin makes a plugin that takes the caller's reference of c.
func (h *Host) newPlugin(c *code) (*Plugin, error) {
	p := &Plugin{
		host:  h,
		code:  c,
		log:   h.newPluginLog(),
		share: h.NewShare(),
		pool:  pool{free: h.config.IdleInstances},
	}
	h.mu.Lock()
	closed := h.closed
	if !closed {
		h.plugins[p] = struct{}{}
		h.work++
	}
	h.mu.Unlock()
	if closed {
		c.drop()
		return nil, ErrReleased
	}
	return p, nil
}

// Info describes the module.
func (p *Plugin) Info() Info {
	info := p.code.info
	info.Exports, info.Imports = slices.Clone(info.Exports), slices.Clone(info.Imports)
	return info
}

// Release gives the plugin back. Callbacks that run go on to their end; new ones get ErrReleased.
// A second Release does nothing.
func (p *Plugin) Release() {
	p.mu.Lock()
	if p.released {
		p.mu.Unlock()
		return
	}
	p.released = true
	p.mu.Unlock()
	for _, i := range p.pool.close() {
		i.close()
	}
	p.code.drop()
	p.host.mu.Lock()
	delete(p.host.plugins, p)
	p.host.mu.Unlock()
	p.host.leave(0)
}

// offers returns ErrNoCallback unless the module exports the callback.
func (p *Plugin) offers(callback string) error {
	if !slices.Contains(p.code.info.Exports, callback) {
		return ErrNoCallback
	}
	return nil
}

// start returns a fresh instance, of the pool if there is one. What it writes meanwhile goes to the
// session's log.
func (p *Plugin) start(ctx context.Context, s *Session, pool *pool) (*instance, error) {
	p.mu.Lock()
	released := p.released
	if !released {
		p.code.hold()
	}
	p.mu.Unlock()
	if released {
		return nil, ErrReleased
	}
	return p.code.start(ctx, p.log, s.Log, p.shareOf(s), pool)
}

func (p *Plugin) shareOf(s *Session) *Share { return cmp.Or(s.Share, p.share) }

package host

import (
	"cmp"
	"context"
	"slices"
)

// spare is loaded code that could be unloaded, and the plugins whose idle instances run it.
type spare struct {
	code    *code
	plugins []*Plugin
	used    uint64 // code.used
}

// makeRoom unloads code that nobody uses, the least recently used first, until what is loaded takes no
// more than Config.CodeBytes, or all that is left is in use.
func (h *Host) makeRoom() {
	for _, s := range h.spares() {
		if !h.unload(s) {
			return
		}
	}
}

// spares are what could be unloaded, the least recently used first. There are none while there is room.
func (h *Host) spares() (spares []spare) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.isCrowded() {
		return nil
	}
	plugins := map[*code][]*Plugin{}
	for p := range h.plugins {
		plugins[p.code] = append(plugins[p.code], p)
	}
	for _, c := range h.codes {
		if c.compiled != nil && c.isSpare(plugins[c]) {
			spares = append(spares, spare{c, plugins[c], c.used.Load()})
		}
	}
	slices.SortFunc(spares, func(a, b spare) int {
		return cmp.Or(cmp.Compare(a.used, b.used), cmp.Compare(a.code.turn, b.code.turn))
	})
	return spares
}

// isCrowded tells whether code is to be unloaded. It needs mu.
func (h *Host) isCrowded() bool { return h.config.Module != nil && h.loadedBytes > h.config.CodeBytes }

// isSpare tells whether all instances are idle, and may be closed. It needs Host.mu.
func (c *code) isSpare(plugins []*Plugin) bool {
	running := c.running
	for _, p := range plugins {
		running -= p.pool.spare()
	}
	return running == 0
}

// unload closes the idle instances, and the code unless it is used by then. It tells whether there
// should be more room.
func (h *Host) unload(s spare) (more bool) {
	for _, p := range s.plugins {
		for _, i := range p.pool.drain() {
			i.close()
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	c := s.code
	if h.isCrowded() && c.running == 0 && c.compiled != nil {
		if err := c.compiled.Close(context.Background()); err != nil {
			h.config.Logger.Error("unload module", "digest", c.info.Digest, "error", err)
		}
		c.compiled = nil
		h.loadedBytes -= c.bytes
		h.unloads.Add(1)
	}
	return h.isCrowded()
}

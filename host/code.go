package host

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/tetratelabs/wazero"
)

// code is a compiled module. Plugins and live instances hold references; the last one closes it,
// since closing it under a callback that runs would pull the code from under its feet.
type code struct {
	host     *Host
	info     Info
	compiled wazero.CompiledModule
	refs     int // of Host.mu
}

// codeFor returns the code with the digest, with a reference for the caller. If there is none,
// build makes it, with that reference. One is built at a time: a compilation takes a core for seconds and hundreds of
// megabytes.
func (h *Host) codeFor(ctx context.Context, digest string, build func() (*code, error)) (*code, error) {
	if c := h.knownCode(digest); c != nil {
		return c, nil
	}
	select {
	case h.compile <- struct{}{}:
		defer func() { <-h.compile }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if c := h.knownCode(digest); c != nil { // built while this one waited
		return c, nil
	}
	c, err := build()
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.codes[digest] = c
	return c, nil
}

func (h *Host) knownCode(digest string) *code {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.codes[digest]
	if c != nil {
		c.refs++
	}
	return c
}

// hold adds a reference; the caller has one.
func (c *code) hold() {
	c.host.mu.Lock()
	defer c.host.mu.Unlock()
	c.refs++
}

// drop gives a reference back. The module closes under the lock, so that the next one with its
// digest is surely another.
func (c *code) drop() {
	c.host.mu.Lock()
	defer c.host.mu.Unlock()
	if c.refs--; c.refs > 0 {
		return
	}
	delete(c.host.codes, c.info.Digest)
	if err := c.compiled.Close(context.Background()); err != nil {
		c.host.config.Logger.Error("close module", "digest", c.info.Digest, "error", err)
	}
}

// try starts one instance and closes it again. A module whose start fails is refused.
func (c *code) try(ctx context.Context) error {
	c.refs = 2 // the caller's, and one for the instance
	output := &tail{}
	i, err := c.start(ctx, "", c.host.newPluginLog(), output.line)
	if err == nil {
		i.close()
		return nil
	}
	var trap *TrapError
	if errors.As(err, &trap) {
		return &RefusedError{Reason: "module does not start: " + trap.Reason, Output: output.text}
	}
	return err
}

// tail keeps the end of what is logged, up to tailBytes.
type tail struct{ text string }

const tailBytes = 4 << 10

func (t *tail) line(_ slog.Level, text string) {
	t.text += text + "\n"
	if over := len(t.text) - tailBytes; over > 0 {
		t.text = strings.ToValidUTF8(t.text[over:], "")
	}
}

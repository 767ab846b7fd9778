package host

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/host/wasm"
	"github.com/tetratelabs/wazero"
)

// code is a compiled module. Plugins and live instances hold references; with the last one it goes. It
// is loaded while instances live that run it, since closing it under a callback would pull the code
// from under its feet. Without them it may be unloaded, see Host.makeRoom, and the next one loads it.
type code struct {
	host       *Host
	info       Info
	tableBytes int64             // of Go's heap, for the tables of one instance
	functions  int               // of the module as it came, imported ones first
	pages      uint32            // that its memory has before anything runs
	seed       *wasm.Seed        // what was compiled, until the snapshot is taken; nil for a plain module
	snapshot   *snapshot         // nil: each instance starts as the module says
	bytes      int64             // that it takes while it is loaded, about
	sum        [sha256.Size]byte // of what is compiled
	used       atomic.Uint64     // Host.events as it was when an instance last began or ended its work

	// Of Host.mu.
	refs     int
	compiled wazero.CompiledModule // nil while it is unloaded
	running  int                   // instances that live
	turn     uint64                // Host.turns as it was when one last began or ended
	loading  chan struct{}         // closed when the load that runs has ended; nil if none does
	retryAt  time.Time             // of a load, after one that failed
}

// building is a build that others wait for.
type building struct {
	done    chan struct{}
	refused error // by a *RefusedError, which is every one's answer
}

// codeFor returns the code with the digest, with a reference for the caller. If there is none,
// build makes it, with that reference. Of one digest one is built at a time: of two modules with
// equal bytes wazero makes one, which the first to be closed takes from the other.
func (h *Host) codeFor(ctx context.Context, digest string, build func() (*code, error)) (*code, error) {
	for {
		c, other, mine := h.reserve(digest)
		switch {
		case c != nil:
			return c, nil
		case mine != nil:
			return h.builtFor(digest, build)
		}
		select {
		case <-other.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if other.refused != nil {
			return nil, other.refused
		}
	}
}

// errUnbuilt is what others find of a build that panicked.
var errUnbuilt = errors.New("build did not come to its end")

// builtFor runs the build that reserve gave to the caller.
func (h *Host) builtFor(digest string, build func() (*code, error)) (c *code, err error) {
	err = errUnbuilt
	defer func() {
		h.settle(digest, c, err)
		h.makeRoom()
	}()
	return build()
}

// reserve returns the code with the digest, or else a build of it that runs, or else one that the
// caller has to settle.
func (h *Host) reserve(digest string) (c *code, other, mine *building) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c := h.codes[digest]; c != nil {
		c.refs++
		return c, nil, nil
	}
	if b := h.builds[digest]; b != nil {
		return nil, b, nil
	}
	b := &building{done: make(chan struct{})}
	h.builds[digest] = b
	return nil, nil, b
}

// settle ends the build of the digest.
func (h *Host) settle(digest string, c *code, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := h.builds[digest]
	delete(h.builds, digest)
	if err == nil {
		h.codes[digest] = c
		h.loadedBytes += c.bytes
	} else if errors.As(err, new(*RefusedError)) {
		b.refused = err
	}
	close(b.done)
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
	c.release()
}

// release is drop. It needs Host.mu.
func (c *code) release() {
	if c.refs--; c.refs > 0 {
		return
	}
	h := c.host
	delete(h.codes, c.info.Digest)
	if c.compiled != nil {
		h.loadedBytes -= c.bytes
	}
	if err := c.close(); err != nil {
		h.config.Logger.Error("close module", "digest", c.info.Digest, "error", err)
	}
}

// close frees what the code holds.
func (c *code) close() (err error) {
	if c.compiled != nil {
		err = c.compiled.Close(context.Background())
	}
	if c.snapshot != nil {
		err = errors.Join(err, c.snapshot.image.close())
	}
	return err
}

// try starts one instance, takes the snapshot of a seed, and closes the instance again. A module
// whose start fails is refused.
func (c *code) try(ctx context.Context) error {
	c.refs = 2 // the caller's, and one for the instance
	output := &tail{}
	i, err := c.start(ctx, c.host.newPluginLog(), output.line, nil, nil)
	var trap *TrapError
	switch {
	case errors.As(err, &trap):
		return &RefusedError{Reason: "module does not start: " + trap.Reason, Output: output.text}
	case err != nil:
		return err
	}
	defer i.close()
	c.info.Output = output.text
	if c.seed == nil {
		return nil
	}
	c.snapshot, err = takeSnapshot(c.seed, i.module, i.memory)
	c.seed = nil // it refers to the module's bytes
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

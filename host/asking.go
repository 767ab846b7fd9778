package host

import (
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"unicode/utf8"

	"github.com/millrace/millrace/abi"
)

// request implements request(buffer) -> n.
func request(c *call, a args) int64 {
	a.buffer(0)
	if c.request == nil {
		document, err := json.Marshal(c.session.Request)
		if err != nil {
			c.host.config.Logger.Error("encode request", "error", err)
			return status(abi.Unavailable)
		}
		c.request = document
	}
	n, _ := a.fill(0, c.request)
	return n
}

// body implements body(buffer) -> n.
func body(c *call, a args) int64 {
	n, _ := a.fill(0, c.session.Body)
	return n
}

// logText implements log(level, text) -> status. Beyond the plugin's rate it answers LIMIT, and the
// lines are dropped.
func logText(c *call, a args) int64 {
	text := a.bytes(1)
	if !utf8.Valid(text) {
		return status(abi.Invalid)
	}
	if len(text) > c.host.config.SendBytes {
		return status(abi.TooBig)
	}
	switch a.i32(0) {
	case abi.LogDebug:
		return status(c.print(slog.LevelDebug, string(text)))
	case abi.LogInfo:
		return status(c.print(slog.LevelInfo, string(text)))
	case abi.LogWarn:
		return status(c.print(slog.LevelWarn, string(text)))
	case abi.LogError:
		return status(c.print(slog.LevelError, string(text)))
	}
	return status(abi.Invalid)
}

// now implements now() -> Unix milliseconds, by the clock that WASI gives the instance too.
func now(c *call, _ args) int64 { return c.instance.clock.now().UnixMilli() }

// random implements random(buffer) -> status.
func random(c *call, a args) int64 {
	buffer := a.bytes(0)
	if len(buffer) > c.host.config.SendBytes {
		return status(abi.TooBig)
	}
	rand.Read(buffer) // never fails
	return status(nil)
}

package guest

import (
	"context"
	"log/slog"
	"strconv"
	"strings"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest/internal/imports"
)

// logHandler is a slog.Handler over the log function. Time and level are the host's to show, and
// it decides what it keeps.
type logHandler struct {
	attrs string // of WithAttrs, as text
	group string // of WithGroup, each with a dot behind
}

func (h logHandler) Enabled(context.Context, slog.Level) bool { return true }

// Handle writes one line. One that the host drops for its rate is no error.
func (h logHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Message)
	b.WriteString(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		writeAttr(&b, h.group, a)
		return true
	})
	imports.Log(logLevel(r.Level), b.String())
	return nil
}

func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	b.WriteString(h.attrs)
	for _, a := range attrs {
		writeAttr(&b, h.group, a)
	}
	h.attrs = b.String()
	return h
}

func (h logHandler) WithGroup(name string) slog.Handler {
	if name != "" {
		h.group += name + "."
	}
	return h
}

// writeAttr writes " group.key=value", the value in quotes if it is not a plain word.
func writeAttr(b *strings.Builder, group string, a slog.Attr) {
	value := a.Value.Resolve()
	if value.Kind() == slog.KindGroup {
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, a := range value.Group() {
			writeAttr(b, group, a)
		}
		return
	}
	if a.Equal(slog.Attr{}) {
		return
	}
	s := value.String()
	if s == "" || strings.ContainsAny(s, " =\"") || strconv.Quote(s) != `"`+s+`"` {
		s = strconv.Quote(s)
	}
	b.WriteString(" " + group + a.Key + "=" + s)
}

// logLevel is the highest level of the contract that is not above l.
func logLevel(l slog.Level) int32 {
	switch {
	case l >= slog.LevelError:
		return abi.LogError
	case l >= slog.LevelWarn:
		return abi.LogWarn
	case l >= slog.LevelInfo:
		return abi.LogInfo
	}
	return abi.LogDebug
}

package guest_test

import (
	"errors"
	"log/slog"
	"slices"
	"testing"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest"
	"github.com/millrace/millrace/abi/guest/guesttest"
)

func TestLog(t *testing.T) {
	got := stream(t, &guesttest.Host{}, func(e *guest.Emitter) error {
		log := e.Log()
		log.Debug("a message of words")
		log.Info("numbers", "n", 1, "f", 2.5, "ok", true)
		log.Warn("quoting", "empty", "", "words", "two words", "line", "a\nb", "equals", "a=b")
		log.Error("an error", "error", errors.New("no luck"))
		log.With("a", 1).WithGroup("g").With("b", 2).Info("groups", slog.Group("h", "c", 3), slog.Attr{})
		return nil
	})
	want := []guesttest.Line{
		{Level: abi.LogDebug, Text: "a message of words"},
		{Level: abi.LogInfo, Text: "numbers n=1 f=2.5 ok=true"},
		{Level: abi.LogWarn, Text: `quoting empty="" words="two words" line="a\nb" equals="a=b"`},
		{Level: abi.LogError, Text: `an error error="no luck"`},
		{Level: abi.LogInfo, Text: "groups a=1 g.b=2 g.h.c=3"},
	}
	if !slices.Equal(got.Log, want) {
		t.Errorf("log %v, want %v", got.Log, want)
	}
}

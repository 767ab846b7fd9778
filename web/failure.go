package web

import (
	"errors"
	"strings"

	"github.com/millrace/millrace/host"
)

// maxFrames is how many of a guest's frames a plugin's log tells.
const maxFrames = 20

// failureText is what a plugin's log says of a callback that failed: why, and where if the guest
// trapped, the innermost frame first.
func failureText(what string, err error) string {
	text := what + ": " + err.Error()
	var trap *host.TrapError
	if !errors.As(err, &trap) || trap.Stack == "" {
		return text
	}
	frames := strings.Split(trap.Stack, "\n")
	if len(frames) > maxFrames {
		frames = append(frames[:maxFrames], "…")
	}
	return text + "\n\tat " + strings.Join(frames, "\n\tat ")
}

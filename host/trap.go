package host

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero/sys"
)

// fault is what a host function panics with for what only a bug in the guest can do, and to stop a
// guest that went past a limit. wazero makes it the error of the guest's call.
type fault struct {
	reason string
	limit  Limit // empty for a bug
}

func (f *fault) Error() string { return f.reason }

// exited tells whether err is a guest's exit with 0.
func exited(err error) bool {
	var exit *sys.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == 0
}

// explain makes a *TrapError of what wazero returned from a call, and nil of nil.
func (c *code) explain(callback string, err error) error {
	if err == nil {
		return nil
	}
	trap := &TrapError{Callback: callback}
	if exit := (*sys.ExitError)(nil); errors.As(err, &exit) {
		trap.Reason = fmt.Sprintf("exit code %d", exit.ExitCode())
		return trap
	}
	reason, frames := splitTrap(err.Error())
	trap.Reason, trap.Stack = reason, c.guestStack(frames)
	if f := (*fault)(nil); errors.As(err, &f) {
		trap.Reason, trap.Limit = f.reason, f.limit
	}
	if trap.Reason == "stack overflow" {
		trap.Limit = LimitStack
	}
	return trap
}

// splitTrap parts wazero's text of a trap into reason and the guest's frames, and leaves out what it
// tells of the host.
func splitTrap(text string) (reason, frames string) {
	reason, frames, _ = strings.Cut(text, "\nwasm stack trace:\n")
	frames, _, _ = strings.Cut(frames, "\n\nGo runtime stack trace:")
	if _, after, ok := strings.Cut(reason, "wasm error: "); ok {
		reason = after
	}
	reason = strings.TrimSuffix(reason, " (recovered by wazero)")
	reason, _, _ = strings.Cut(reason, "\n")
	return reason, frames
}

package host

import (
	"errors"
	"fmt"

	"github.com/millrace/millrace/abi"
)

// ErrBusy is returned when as many instances live as Config.Instances allows, or there is no memory
// for another one.
var ErrBusy = errors.New("too many plugin instances")

// ErrReleased is returned for a plugin that was released, or whose host was closed.
var ErrReleased = errors.New("plugin is released")

// ErrNoCallback is returned when the plugin does not export the callback that is asked for.
var ErrNoCallback = errors.New("plugin does not export the callback")

// RefusedError tells why Prepare refuses a module. It holds nothing but what the module's author
// may see.
type RefusedError struct {
	Reason string
	TooBig bool   // the module has more than Config.ModuleBytes
	Output string // the last that the module wrote to its log while it started, if it got that far
}

func (e *RefusedError) Error() string { return e.Reason }

// CallbackError is a callback's own failure: a negative result, or one that means nothing.
type CallbackError struct {
	Callback string
	Code     int32
}

func (e *CallbackError) Error() string {
	if s := abi.Status(e.Code); e.Code < 0 && e.Code >= int32(abi.Unavailable) {
		return fmt.Sprintf("%s returned %d (%v)", e.Callback, e.Code, s)
	}
	return fmt.Sprintf("%s returned %d", e.Callback, e.Code)
}

// Limit names what a TrapError ran into.
type Limit string

// Limits that stop a callback.
const (
	LimitStart    Limit = "start timeout" // the start function and _initialize
	LimitEvent    Limit = "event timeout" // one onEvent call
	LimitGrace    Limit = "grace"         // an onStream that went on after its stream had ended
	LimitSlice    Limit = "cpu slice"     // an onStream that ran on without calling the host
	LimitEventCPU Limit = "cpu per event"
	LimitShare    Limit = "cpu share" // of all callbacks on one Share
	LimitStack    Limit = "call depth"

	LimitStackBytes Limit = "stack"
	LimitMemory     Limit = "memory of all plugins"
)

// ErrNotLoaded is wrapped by the error of a call that did not run because the plugin's code had been
// unloaded, see Config.CodeBytes, and could not be loaded again. Why is in the host's log. It is no fault
// of the plugin's, and calls from a second later on try again.
var ErrNotLoaded = errors.New("the plugin's code cannot be loaded")

// TrapError is a callback that did not come to its end: a fault of the guest, a limit, an exit.
type TrapError struct {
	Callback string
	Reason   string // such as "unreachable" or "exit code 2"
	Stack    string // the guest's frames, the innermost first: up to 20 lines of some 200 printable bytes; may be empty
	Limit    Limit  // what stopped it; empty if nothing but itself
}

func (e *TrapError) Error() string { return fmt.Sprintf("%s trapped: %s", e.Callback, e.Reason) }

package host

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/millrace/millrace/host/wasm"
)

// Bounds of the stack in a TrapError.
const (
	maxFrames     = 20
	maxFrameBytes = 200
)

// guestStack is the guest's stack as its author knows it: a frame a line, in printable characters,
// without what metering added. A function without a name has the index that it has in the module as it
// was uploaded.
func (c *code) guestStack(frames string) string {
	var stack []string
	for line := range strings.Lines(frames) {
		frame, ok := c.frame(strings.TrimSpace(line))
		if !ok {
			continue
		}
		if len(stack) == maxFrames {
			break
		}
		stack = append(stack, frame)
	}
	return strings.Join(stack, "\n")
}

// frame is a line of wazero's, such as .main(i32) i32 or .$12() or millrace_v1.send(i32) i32. It tells
// whether it is the module's, or a function that it imports.
func (c *code) frame(line string) (frame string, ok bool) {
	if line == "" || strings.HasPrefix(line, "... ") || strings.HasPrefix(line, wasm.MeterModule+".") {
		return "", false
	}
	line = strings.TrimPrefix(line, ".")
	if number, types, cut := strings.Cut(line, "("); cut && strings.HasPrefix(number, "$") {
		index, err := strconv.Atoi(number[1:])
		if index -= wasm.Added; err == nil && index >= c.functions {
			return "", false
		} else if err == nil {
			line = fmt.Sprintf("function %d(%s", index, types)
		}
	}
	return clip(strings.Map(printable, line), maxFrameBytes), true
}

func printable(r rune) rune {
	if strconv.IsPrint(r) {
		return r
	}
	return '\uFFFD'
}

package host

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/millrace/millrace/abi"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// function implements one of abi.Functions. Its result is a status, a length or another number.
type function func(c *call, a args) int64

// implementations holds the functions by name.
func implementations() map[string]function {
	return map[string]function{
		"send":     send,
		"comment":  comment,
		"close":    closeStream,
		"isClosed": isClosed,
		"sleep":    sleep,
		"receive":  receive,
		"request":  request,
		"body":     body,
		"response": response,
		"publish":  publish,
		"open":     open,
		"end":      end,
		"kvGet":    kvGet,
		"kvPut":    kvPut,
		"kvDelete": kvDelete,
		"log":      logText,
		"now":      now,
		"random":   random,
	}
}

// functions builds the module that plugins import them from.
func (h *Host) functions() wazero.HostModuleBuilder {
	builder := h.runtime.NewHostModuleBuilder(abi.Module)
	implementations := implementations()
	for _, f := range abi.Functions {
		builder.NewFunctionBuilder().
			WithGoModuleFunction(h.guard(f, implementations[f.Name]), valueTypes(f.Params), valueTypes(string(f.Result))).
			Export(f.Name)
	}
	return builder
}

// guard calls f for a guest. During a start everything but log is unavailable. A panic that is not
// the guest's fault is a bug of ours: it is logged with our stack, and the guest traps without it.
func (h *Host) guard(declared abi.Function, f function) api.GoModuleFunc {
	return func(ctx context.Context, m api.Module, stack []uint64) {
		defer func() {
			if r := recover(); r != nil {
				panic(h.guestFault(declared.Name, r))
			}
		}()
		c := callOf(ctx)
		if f := c.enterHost(); f != nil {
			panic(f)
		}
		result := int64(abi.Unavailable)
		if c.phase != starting || declared.Name == "log" {
			result = f(c, args{declared.Name, c.instance, m.Memory(), stack})
		}
		if declared.Result == 'i' {
			result = int64(uint32(result))
		}
		stack[0] = uint64(result)
	}
}

// guestFault returns what the guest traps with after a host function panicked with r.
func (h *Host) guestFault(name string, r any) *fault {
	if f, ok := r.(*fault); ok {
		return f
	}
	h.config.Logger.Error("host function panicked", "function", name, "panic", r, "stack", string(debug.Stack()))
	return &fault{reason: name + ": the host failed"}
}

// args are a call's arguments, by position; a string or byte range takes two.
type args struct {
	function string
	instance *instance
	memory   api.Memory
	stack    []uint64
}

func (a args) i32(at int) int32 { return int32(uint32(a.stack[at])) }

func (a args) i64(at int) int64 { return int64(a.stack[at]) }

// bytes returns the range at that position, all of which the host works on, as a view of the guest's
// memory that is not to be kept over anything that lets the guest run. A range outside of its memory
// traps.
func (a args) bytes(at int) []byte {
	b := a.buffer(at)
	a.instance.burn(len(b))
	return b
}

// buffer is bytes for a range that the host may use little of.
func (a args) buffer(at int) []byte {
	pointer, length := uint32(a.stack[at]), uint32(a.stack[at+1])
	if length == 0 {
		return nil
	}
	b, ok := a.memory.Read(pointer, length)
	if !ok {
		panic(&fault{reason: fmt.Sprintf("%s: %d bytes at %d are outside of memory", a.function, length, pointer)})
	}
	return b
}

// fill writes value to the buffer at that position if it fits, and returns its length.
func (a args) fill(at int, value []byte) (n int64, fitted bool) {
	buffer := a.buffer(at)
	if len(value) > len(buffer) {
		return int64(len(value)), false
	}
	a.instance.burn(len(value))
	return int64(copy(buffer, value)), true
}

// status is err as a function's result.
func status(err error) int64 {
	if err == nil {
		return int64(abi.OK)
	}
	if s := abi.StatusOf(err); s < 0 {
		return int64(s)
	}
	return int64(abi.Unavailable)
}

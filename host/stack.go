package host

import (
	"reflect"

	"github.com/tetratelabs/wazero/api"
)

// stack is what wazero keeps for the calls of a function: memory of Go's, which doubles when calls
// inside each other need more and stays until the instance is closed. wazero bounds it by 50 MB,
// which is much for one of thousands of instances, and tells nobody how large it is; so this looks
// into its engine. The size of a frame cannot be known beforehand: the compiler gives each value that
// lives across a call a place of its own.
type stack struct{ bytes reflect.Value }

func stackOf(f api.Function) stack {
	engine := reflect.Indirect(reflect.ValueOf(f))
	if engine.Kind() != reflect.Struct {
		return stack{}
	}
	return stack{engine.FieldByName("stack")}
}

// size is how many bytes it has now, 0 if that is unknown.
func (s stack) size() int {
	if s.bytes.Kind() != reflect.Slice {
		return 0
	}
	return s.bytes.Len()
}

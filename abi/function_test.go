package abi_test

import (
	"testing"

	"github.com/millrace/millrace/abi"
)

func TestFunctionReadsAsInTheText(t *testing.T) {
	for _, tt := range []struct {
		function abi.Function
		want     string
	}{
		{abi.Function{Name: "close", Result: 'i'}, "close() -> i32"},
		{abi.Function{Name: "kvPut", Params: "iiiil", Result: 'i'}, "kvPut(i32, i32, i32, i32, i64) -> i32"},
		{abi.Function{Name: "now", Result: 'l'}, "now() -> i64"},
		{abi.Function{Name: "tell", Params: "l"}, "tell(i64)"},
	} {
		if got := tt.function.String(); got != tt.want {
			t.Errorf("String() = %q, want %q", got, tt.want)
		}
	}
}

func TestFunctionsAreWellFormed(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range abi.Functions {
		if seen[f.Name] {
			t.Errorf("%s is there twice", f.Name)
		}
		seen[f.Name] = true
		for _, c := range f.Params + string(f.Result) {
			if c != 'i' && c != 'l' {
				t.Errorf("%s has the unknown type %q", f.Name, c)
			}
		}
	}
}

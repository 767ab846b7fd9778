//go:build wasip1

// Extism is the same plugin for Extism, with its own kit.
package main

import (
	"strings"

	"github.com/extism/go-pdk"
)

//go:wasmexport onEvent
func onEvent() int32 {
	pdk.OutputString(strings.ToUpper(pdk.InputString()))
	return 0
}

func main() {}

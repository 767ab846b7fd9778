package host

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/millrace/millrace/host/wasm"
)

// language guesses what a module was written in, from what its tools leave in it; empty if nothing
// tells. It is for people to read; nothing depends on it.
func language(m *wasm.Module) string {
	made := strings.ToLower(producers(m))
	switch {
	case hasCustom(m, "go:buildid"), strings.Contains(made, "go cmd/compile"):
		return "go"
	case strings.Contains(made, "tinygo"):
		return "tinygo"
	case strings.Contains(made, "rust"):
		return "rust"
	case strings.Contains(made, "assemblyscript"), exports(m, "__new") && exports(m, "__pin"):
		return "assemblyscript"
	case strings.Contains(made, "zig"):
		return "zig"
	case strings.Contains(made, "clang"), strings.Contains(made, "c11"), strings.Contains(made, "c_plus_plus"):
		return "c"
	}
	return ""
}

func hasCustom(m *wasm.Module, name string) bool {
	return slices.ContainsFunc(m.Customs, func(c wasm.Custom) bool { return c.Name == name })
}

func exports(m *wasm.Module, name string) bool {
	_, ok := m.Export(name)
	return ok
}

// maxProducers bounds what is read of the section "producers", in names.
const maxProducers = 64

// producers is what the section "producers" says of the language and of the tools, as far as it can
// be read: a list of fields, each with a list of values, each with a version. Nothing in it can be
// wrong: whoever writes it may write what he likes.
func producers(m *wasm.Module) string {
	i := slices.IndexFunc(m.Customs, func(c wasm.Custom) bool { return c.Name == "producers" })
	if i < 0 {
		return ""
	}
	var made strings.Builder
	rest := m.Customs[i].Data
	for fields := count(&rest); fields > 0; fields-- {
		field := text(&rest)
		for values := count(&rest); values > 0; values-- {
			value, _ := text(&rest), text(&rest)
			if field == "language" || field == "processed-by" {
				made.WriteString(value + " ")
			}
		}
	}
	return made.String()
}

// count reads a number of things, maxProducers at most.
func count(b *[]byte) uint64 {
	v, n := binary.Uvarint(*b)
	if n <= 0 {
		*b = nil
		return 0
	}
	*b = (*b)[n:]
	return min(v, maxProducers)
}

// text reads a string with its length, and leaves nothing to read if that is more than there is.
func text(b *[]byte) string {
	v, n := binary.Uvarint(*b)
	if n <= 0 || v > uint64(len(*b)-n) {
		*b = nil
		return ""
	}
	s := string((*b)[n : n+int(v)])
	*b = (*b)[n+int(v):]
	return s
}

package host

import (
	"slices"
	"strings"
)

// language guesses what a module was written in, from what its tools leave in it; empty if nothing
// tells. It is for people to read; nothing depends on it.
func language(o *outline) string {
	made := strings.ToLower(o.producers["language"] + o.producers["processed-by"])
	switch {
	case slices.Contains(o.sections, "go:buildid"), strings.Contains(made, "go cmd/compile"):
		return "go"
	case strings.Contains(made, "tinygo"):
		return "tinygo"
	case strings.Contains(made, "rust"):
		return "rust"
	case strings.Contains(made, "assemblyscript"), exports(o, "__new") && exports(o, "__pin"):
		return "assemblyscript"
	case strings.Contains(made, "zig"):
		return "zig"
	case strings.Contains(made, "clang"), strings.Contains(made, "c11"), strings.Contains(made, "c_plus_plus"):
		return "c"
	}
	return ""
}

func exports(o *outline, name string) bool {
	_, ok := o.exports[name]
	return ok
}

package wasm

import (
	"cmp"
	"fmt"
	"slices"
	"unicode/utf8"
)

// Name is the name of a function, for messages and traces. It is UTF-8.
type Name struct {
	Function uint32
	Text     []byte
}

const subsectionFunctions = 1

// readNames reads the names of functions from the section "name". What is wrong in it ends it early:
// names are for people, and no module is refused for its names.
func readNames(b []byte, functions int) []Name {
	for r := (&reader{b: b}); r.left() > 0; {
		id := r.byte()
		sub := r.sized()
		if r.err == nil && id == subsectionFunctions {
			return functionNames(sub, functions)
		}
	}
	return nil
}

func functionNames(b []byte, functions int) (names []Name) {
	r := &reader{b: b}
	for n := r.count("names", 2); n > 0; n-- {
		name := Name{r.u32(), r.sized()}
		inOrder := len(names) == 0 || names[len(names)-1].Function < name.Function
		if r.err != nil || !inOrder || int(name.Function) >= functions || !utf8.Valid(name.Text) {
			break
		}
		names = append(names, name)
	}
	return names
}

// longestName bounds a name in a message, in bytes.
const longestName = 200

// FunctionName is what a message calls a function: its name if it has one, and its index.
func (m *Module) FunctionName(function uint32) string {
	i, found := slices.BinarySearchFunc(m.Names, function, func(n Name, f uint32) int { return cmp.Compare(n.Function, f) })
	if !found {
		return fmt.Sprintf("function %d", function)
	}
	text := m.Names[i].Text
	if len(text) > longestName {
		return fmt.Sprintf("function %d (%.*q…)", function, longestName, text)
	}
	return fmt.Sprintf("function %d (%q)", function, text)
}

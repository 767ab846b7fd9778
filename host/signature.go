package host

import (
	"strings"

	"github.com/millrace/millrace/host/wasm"
	"github.com/tetratelabs/wazero/api"
)

// signature is a function's type as text: a letter for each parameter, a colon, one for each result.
// Letters are those of abi.Function; other types than i32 and i64 have letters of their own.
type signature string

// String is the signature as abi.Function writes it, without the name.
func (s signature) String() string {
	params, results, _ := strings.Cut(string(s), ":")
	text := "(" + typeNames(params) + ")"
	if results != "" {
		text += " -> " + typeNames(results)
	}
	return text
}

func typeNames(letters string) string {
	names := make([]string, len(letters))
	for i := range letters {
		switch letters[i] {
		case 'i':
			names[i] = "i32"
		case 'l':
			names[i] = "i64"
		case 'f':
			names[i] = "f32"
		case 'd':
			names[i] = "f64"
		case 'v':
			names[i] = "v128"
		default:
			names[i] = "ref"
		}
	}
	return strings.Join(names, ", ")
}

// letters are the letters of a signature for value types as the binary format has them.
func letters[T ~byte](types []T) string {
	text := make([]byte, len(types))
	for i, t := range types {
		switch t {
		case 0x7f:
			text[i] = 'i'
		case 0x7e:
			text[i] = 'l'
		case 0x7d:
			text[i] = 'f'
		case 0x7c:
			text[i] = 'd'
		case 0x7b:
			text[i] = 'v'
		default:
			text[i] = 'r'
		}
	}
	return string(text)
}

func valueTypes(letters string) []api.ValueType {
	var types []api.ValueType
	for _, c := range letters {
		switch c {
		case 'i':
			types = append(types, api.ValueTypeI32)
		case 'l':
			types = append(types, api.ValueTypeI64)
		}
	}
	return types
}

func signatureOfType(t wasm.FuncType) signature {
	return signature(letters(t.Params) + ":" + letters(t.Results))
}

func signatureOf(f api.FunctionDefinition) signature {
	return signature(letters(f.ParamTypes()) + ":" + letters(f.ResultTypes()))
}

// Package op encodes WebAssembly instructions, for modules that are made one instruction at a time.
//
// An instruction is its bytes, and code is bytes one behind the other. The package checks nothing.
package op

import (
	"encoding/binary"
	"math"
	"slices"
)

// Types of values, in the bytes that stand for them.
const (
	I32       byte = 0x7f
	I64       byte = 0x7e
	F32       byte = 0x7d
	F64       byte = 0x7c
	V128      byte = 0x7b
	FuncRef   byte = 0x70
	ExternRef byte = 0x6f
)

// Instructions without immediates.
var (
	Unreachable = []byte{0x00}
	Else        = []byte{0x05}
	End         = []byte{0x0b}
	Return      = []byte{0x0f}
	Drop        = []byte{0x1a}
	Eqz         = []byte{0x45}
	Equal       = []byte{0x46}
	NotEqual    = []byte{0x47}
	LessSigned  = []byte{0x48}
	Above       = []byte{0x4b} // greater, without a sign
	Add         = []byte{0x6a}
	Sub         = []byte{0x6b}
	Divide      = []byte{0x6d}
	Remainder   = []byte{0x6f}
	And         = []byte{0x71}
	Extend      = []byte{0xad} // i32 to i64, without a sign
	Wrap        = []byte{0xa7} // i64 to i32
	Truncate    = []byte{0xa8} // f32 to i32, with a sign
	MemorySize  = []byte{0x3f, 0}
	MemoryGrow  = []byte{0x40, 0}
	MemoryCopy  = []byte{0xfc, 10, 0, 0}
	MemoryFill  = []byte{0xfc, 11, 0}
	RefNullFunc = []byte{0xd0, FuncRef}
	RefNullOut  = []byte{0xd0, ExternRef}
)

// Const32 pushes an i32.
func Const32(v int32) []byte { return instruction(0x41, Signed(int64(v))) }

// Const64 pushes an i64.
func Const64(v int64) []byte { return instruction(0x42, Signed(v)) }

// ConstF32 pushes an f32.
func ConstF32(v float32) []byte {
	return binary.LittleEndian.AppendUint32([]byte{0x43}, math.Float32bits(v))
}

// ConstF64 pushes an f64.
func ConstF64(v float64) []byte {
	return binary.LittleEndian.AppendUint64([]byte{0x44}, math.Float64bits(v))
}

// Get pushes a local.
func Get(local int) []byte { return instruction(0x20, index(local)) }

// Set pops into a local.
func Set(local int) []byte { return instruction(0x21, index(local)) }

// Tee copies into a local.
func Tee(local int) []byte { return instruction(0x22, index(local)) }

// GlobalGet pushes a global.
func GlobalGet(global int) []byte { return instruction(0x23, index(global)) }

// GlobalSet pops into a global.
func GlobalSet(global int) []byte { return instruction(0x24, index(global)) }

// Load pushes the i32 at the address on the stack.
func Load() []byte { return []byte{0x28, 2, 0} }

// Store pops an i32 and then the address for it.
func Store() []byte { return []byte{0x36, 2, 0} }

// Call calls a function.
func Call(function int) []byte { return instruction(0x10, index(function)) }

// CallIndirect calls what table 0 has at the index on the stack.
func CallIndirect(typ int) []byte { return instruction(0x11, index(typ), []byte{0}) }

// Block is a block without values.
func Block(code ...[]byte) []byte { return block(0x02, code) }

// Loop is a loop without values. It ends where no branch goes to its beginning.
func Loop(code ...[]byte) []byte { return block(0x03, code) }

// If is a condition without values; code may hold an Else.
func If(code ...[]byte) []byte { return block(0x04, code) }

func block(opcode byte, code [][]byte) []byte {
	return slices.Concat([]byte{opcode, 0x40}, slices.Concat(code...), End)
}

// Branch leaves so many blocks, or begins a loop again.
func Branch(depth int) []byte { return instruction(0x0c, index(depth)) }

// BranchIf is Branch if the stack has a number other than 0.
func BranchIf(depth int) []byte { return instruction(0x0d, index(depth)) }

// BranchTable branches by the index on the stack; the last target is for all others.
func BranchTable(targets ...int) []byte {
	b := instruction(0x0e, index(len(targets)-1))
	for _, t := range targets {
		b = append(b, index(t)...)
	}
	return b
}

// MemoryInit copies from a passive segment.
func MemoryInit(segment int) []byte { return slices.Concat([]byte{0xfc, 8}, index(segment), []byte{0}) }

// DataDrop empties a passive segment.
func DataDrop(segment int) []byte { return slices.Concat([]byte{0xfc, 9}, index(segment)) }

// TableInit copies from a passive segment.
func TableInit(segment, table int) []byte {
	return slices.Concat([]byte{0xfc, 12}, index(segment), index(table))
}

// TableGrow grows a table by the number on the stack.
func TableGrow(table int) []byte { return slices.Concat([]byte{0xfc, 15}, index(table)) }

// TableSize pushes a table's size.
func TableSize(table int) []byte { return slices.Concat([]byte{0xfc, 16}, index(table)) }

// TableFill fills a part of a table.
func TableFill(table int) []byte { return slices.Concat([]byte{0xfc, 17}, index(table)) }

// TableGet pushes an entry of a table.
func TableGet(table int) []byte { return instruction(0x25, index(table)) }

// TableSet pops a reference and then the index for it.
func TableSet(table int) []byte { return instruction(0x26, index(table)) }

// RefFunc pushes a reference to a function.
func RefFunc(function int) []byte { return instruction(0xd2, index(function)) }

// Forever repeats code without end. It gives no value and any.
func Forever(code ...[]byte) []byte {
	return slices.Concat(Loop(slices.Concat(code...), Branch(0)), Unreachable)
}

// Times repeats code n times and counts in a local, from n down to 1.
func Times(local int, n int32, code ...[]byte) []byte {
	return slices.Concat(Const32(n), Set(local),
		Loop(slices.Concat(code...), Get(local), Const32(1), Sub, Tee(local), BranchIf(0)))
}

func instruction(opcode byte, immediates ...[]byte) []byte {
	return append([]byte{opcode}, slices.Concat(immediates...)...)
}

func index(i int) []byte { return U32(uint64(i)) }

// U32 encodes a number without a sign. It takes more than 32 bits, for modules that do.
func U32(v uint64) []byte { return binary.AppendUvarint(nil, v) }

// Signed encodes a number with a sign.
func Signed(v int64) (b []byte) {
	for {
		low := byte(v & 0x7f)
		v >>= 7
		if v == 0 && low&0x40 == 0 || v == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}

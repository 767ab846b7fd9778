package wasm

// opcode is an instruction's code: its byte, or prefix<<8 | number for those with a prefix.
type opcode uint16

// The instructions that are treated in a way of their own.
const (
	opUnreachable  = 0x00
	opNop          = 0x01
	opBlock        = 0x02
	opLoop         = 0x03
	opIf           = 0x04
	opElse         = 0x05
	opEnd          = 0x0b
	opBr           = 0x0c
	opBrIf         = 0x0d
	opBrTable      = 0x0e
	opReturn       = 0x0f
	opCall         = 0x10
	opCallIndirect = 0x11
	opGlobalGet    = 0x23
	opGlobalSet    = 0x24
	opLocalGet     = 0x20
	opLocalSet     = 0x21
	opLocalTee     = 0x22
	opTableGet     = 0x25
	opTableSet     = 0x26
	opMemorySize   = 0x3f
	opMemoryGrow   = 0x40
	opI32Const     = 0x41
	opI64Const     = 0x42
	opF32Const     = 0x43
	opF64Const     = 0x44
	opI64LtS       = 0x53
	opI32LtU       = 0x49
	opI32LeU       = 0x4d
	opI64GtU       = 0x56
	opI32Add       = 0x6a
	opI32Or        = 0x72
	opI64Add       = 0x7c
	opI32Sub       = 0x6b
	opI32ShrU      = 0x76
	opI64Sub       = 0x7d
	opI64Or        = 0x84
	opI64Shl       = 0x86
	opI64ShrU      = 0x88
	opI64ExtendU   = 0xad
	opSelect       = 0x1b
	opRefNull      = 0xd0
	opRefFunc      = 0xd2

	prefixMisc   = 0xfc
	prefixVector = 0xfd
	vectorConst  = 12

	opMemoryInit opcode = prefixMisc<<8 | 8
	opDataDrop   opcode = prefixMisc<<8 | 9
	opMemoryCopy opcode = prefixMisc<<8 | 10
	opMemoryFill opcode = prefixMisc<<8 | 11
	opTableInit  opcode = prefixMisc<<8 | 12
	opElemDrop   opcode = prefixMisc<<8 | 13
	opTableCopy  opcode = prefixMisc<<8 | 14
	opTableGrow  opcode = prefixMisc<<8 | 15
	opTableSize  opcode = prefixMisc<<8 | 16
	opTableFill  opcode = prefixMisc<<8 | 17
)

// immediates is what follows an instruction's code.
type immediates byte

const (
	unknown immediates = iota
	immNone
	immBlockType
	immLabel
	immLabels
	immFunction
	immTypeTable
	immLocal
	immGlobal
	immTable
	immTableTable
	immMemoryArg
	immMemoryArgLane
	immMemoryZero
	immMemoryTwoZeros
	immData
	immDataMemory
	immElement
	immElementTable
	immConst32
	immConst64
	immBytes4
	immBytes8
	immBytes16
	immLanes
	immLane
	immRefType
	immSelectTypes
)

// plain are the immediates of instructions without a prefix.
var plain = func() (t [256]immediates) {
	span := func(from, to byte, k immediates) {
		for i := int(from); i <= int(to); i++ {
			t[i] = k
		}
	}
	span(0x00, 0x01, immNone) // unreachable, nop
	span(opBlock, opIf, immBlockType)
	span(opElse, opElse, immNone)
	span(opEnd, opEnd, immNone)
	span(opBr, opBrIf, immLabel)
	span(opBrTable, opBrTable, immLabels)
	span(opReturn, opReturn, immNone)
	span(opCall, opCall, immFunction)
	span(opCallIndirect, opCallIndirect, immTypeTable)
	span(0x1a, 0x1b, immNone)        // drop, select
	span(0x1c, 0x1c, immSelectTypes) // select with types
	span(0x20, 0x22, immLocal)
	span(0x23, 0x24, immGlobal)
	span(0x25, 0x26, immTable)
	span(0x28, 0x3e, immMemoryArg)
	span(0x3f, 0x40, immMemoryZero) // memory.size, memory.grow
	span(opI32Const, opI32Const, immConst32)
	span(opI64Const, opI64Const, immConst64)
	span(opF32Const, opF32Const, immBytes4)
	span(opF64Const, opF64Const, immBytes8)
	span(0x45, 0xc4, immNone) // numeric
	span(opRefNull, opRefNull, immRefType)
	span(0xd1, 0xd1, immNone) // ref.is_null
	span(opRefFunc, opRefFunc, immFunction)
	return t
}()

// misc are the immediates of instructions with the prefix 0xfc.
var misc = [18]immediates{
	immNone, immNone, immNone, immNone, immNone, immNone, immNone, immNone, // saturating conversions
	immDataMemory, immData, immMemoryTwoZeros, immMemoryZero, // memory.init, data.drop, memory.copy, memory.fill
	immElementTable, immElement, immTableTable, immTable, immTable, immTable, // table.init, elem.drop, table.copy, grow, size, fill
}

// vector are the immediates of instructions with the prefix 0xfd.
var vector = func() (t [256]immediates) {
	for i := range t {
		t[i] = immNone
	}
	for i := range 12 { // loads and store
		t[i] = immMemoryArg
	}
	t[vectorConst] = immBytes16
	t[13] = immLanes           // i8x16.shuffle
	for i := 21; i < 35; i++ { // extract and replace lane
		t[i] = immLane
	}
	for i := 84; i < 92; i++ { // load and store lane
		t[i] = immMemoryArgLane
	}
	t[92], t[93] = immMemoryArg, immMemoryArg // load with zeros
	for _, gap := range []byte{
		0x9a, 0xa2, 0xa5, 0xa6, 0xaf, 0xb0, 0xb2, 0xb3, 0xb4, 0xbb,
		0xc2, 0xc5, 0xc6, 0xcf, 0xd0, 0xd2, 0xd3, 0xd4, 0xe2, 0xee,
	} {
		t[gap] = unknown
	}
	return t
}()

// feature names what an instruction that is not supported belongs to.
func feature(op byte) string {
	switch {
	case op == 0x12 || op == 0x13:
		return "tail calls are not supported"
	case op >= 0x06 && op <= 0x0a, op == 0x18, op == 0x19, op == 0x1f:
		return "exceptions are not supported"
	case op == 0x14 || op == 0x15, op >= 0xd3 && op <= 0xd6:
		return "typed references are not supported"
	case op == 0xfb:
		return "garbage collected types are not supported"
	case op == 0xfe:
		return "threads are not supported"
	}
	return ""
}

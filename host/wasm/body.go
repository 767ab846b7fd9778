package wasm

// instruction is one instruction of a body. Its bytes are code[start:end], the code of it
// code[start:immediate].
type instruction struct {
	op                    opcode
	start, immediate, end int
	index                 uint32 // label, function, type, local, global, table, segment, count of labels
	second                uint32 // the other index of those that have two
}

// instructions walks through the code of one body without building a tree. Offsets are those in
// reader.b.
type instructions struct {
	reader
	in instruction
}

func walk(code []byte) *instructions { return &instructions{reader: reader{b: code}} }

// next reads the next instruction. It returns false at the end and after an error.
func (it *instructions) next() bool {
	if it.left() == 0 || it.err != nil {
		return false
	}
	in := &it.in
	in.start, in.index, in.second = it.at, 0, 0
	op := it.byte()
	in.op = opcode(op)
	kind := plain[op]
	switch op {
	case prefixMisc:
		kind = it.prefixed(misc[:])
	case prefixVector:
		kind = it.prefixed(vector[:])
	}
	in.immediate = it.at
	if kind == unknown {
		if why := feature(op); why != "" {
			it.failAt(in.start, "instruction %#x: %s", op, why)
		} else {
			it.failAt(in.start, "instruction %#x is unknown", uint16(in.op))
		}
		return false
	}
	if kind != immNone {
		it.immediates(kind)
	}
	in.end = it.at
	return it.err == nil
}

// prefixed reads the number of an instruction with a prefix. That of a vector instruction must be
// written in the shortest way: the compiler reads one byte of it and takes a second one for a nop.
func (it *instructions) prefixed(kinds []immediates) immediates {
	from := it.at
	number := it.u32()
	if it.err != nil || int(number) >= len(kinds) {
		return unknown
	}
	if it.in.op == prefixVector && it.at-from != len(appendU32(nil, number)) {
		it.failAt(from, "the number of a vector instruction is not written in the shortest way")
	}
	it.in.op = it.in.op<<8 | opcode(number)
	return kinds[number]
}

func (it *instructions) immediates(kind immediates) {
	in := &it.in
	switch kind {
	case immBlockType:
		in.index = it.blockType()
	case immLabel, immFunction, immLocal, immGlobal, immTable, immData, immElement:
		in.index = it.u32()
	case immTypeTable, immTableTable, immElementTable:
		in.index, in.second = it.u32(), it.u32()
	case immLabels:
		in.index = uint32(it.count("labels", 1))
		for range in.index {
			it.u32()
		}
		it.u32()
	case immMemoryArg:
		it.memoryArg()
	case immMemoryArgLane:
		it.memoryArg()
		it.byte()
	case immMemoryZero:
		it.zero()
	case immMemoryTwoZeros:
		it.zero()
		it.zero()
	case immDataMemory:
		in.index = it.u32()
		it.zero()
	case immConst32:
		it.signed(32)
	case immConst64:
		it.signed(64)
	case immBytes4:
		it.take(4)
	case immBytes8:
		it.take(8)
	case immBytes16, immLanes:
		it.take(16)
	case immLane:
		it.byte()
	case immRefType:
		it.refType()
	case immSelectTypes:
		if it.u32() != 1 {
			it.fail("select of other than one value")
		}
		it.valueType()
	}
}

// These stand for a block type that is no index of a type.
const (
	noType    = 1<<32 - 1 // it gives nothing
	valueType = 1<<32 - 2 // it gives one value
)

// blockType reads the type of a block and returns its index, noType or valueType.
func (it *instructions) blockType() uint32 {
	if it.left() > 0 {
		switch c := it.b[it.at]; {
		case c == 0x40:
			it.at++
			return noType
		case c > 0x40 && c < 0x80: // negative in one byte
			it.valueType()
			return valueType
		}
	}
	start := it.at
	v := it.signed(33)
	if v < 0 || v >= valueType {
		it.failAt(start, "a block type is out of range or not written in the shortest way")
	}
	return uint32(v)
}

func (it *instructions) memoryArg() {
	start := it.at
	if align := it.u32(); align >= 1<<6 {
		it.failAt(start, "more than one memory is not supported")
	} else if align >= 1<<5 {
		it.failAt(start, "alignment %d is too large", align)
	}
	it.u32()
}

func (it *instructions) zero() {
	if it.byte() != 0 {
		it.fail("more than one memory is not supported")
	}
}

// targets calls visit with each label of the br_table that was read last.
func (it *instructions) targets(visit func(label uint32)) {
	r := reader{b: it.b, at: it.in.immediate}
	for n := int(r.u32()) + 1; n > 0; n-- {
		visit(r.u32())
	}
}

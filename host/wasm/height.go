package wasm

// delta is by how much an instruction changes the number of operands, for those where its code alone
// tells. Calls, blocks and branches are not among them.
func delta(op opcode) int {
	switch op >> 8 {
	case prefixMisc:
		return int(miscDelta[op&0xff])
	case prefixVector:
		return int(vectorDelta[op&0xff])
	}
	return int(plainDelta[op])
}

var plainDelta = func() (t [256]int8) {
	span := func(from, to byte, d int8) {
		for i := int(from); i <= int(to); i++ {
			t[i] = d
		}
	}
	span(0x1a, 0x1a, -1) // drop
	span(0x1b, 0x1c, -2) // select
	span(0x20, 0x20, 1)  // local.get
	span(0x21, 0x21, -1) // local.set
	span(0x23, 0x23, 1)  // global.get
	span(0x24, 0x24, -1) // global.set
	span(0x26, 0x26, -2) // table.set
	span(0x36, 0x3e, -2) // stores
	span(0x3f, 0x3f, 1)  // memory.size
	span(0x41, 0x44, 1)  // constants
	span(0x46, 0x4f, -1) // comparisons of i32
	span(0x51, 0x66, -1) // of the others
	span(0x6a, 0x78, -1) // arithmetic of i32
	span(0x7c, 0x8a, -1) // of i64
	span(0x92, 0x98, -1) // of f32
	span(0xa0, 0xa6, -1) // of f64
	span(0xd0, 0xd0, 1)  // ref.null
	span(0xd2, 0xd2, 1)  // ref.func
	return t
}()

var miscDelta = [len(misc)]int8{
	8: -3, 10: -3, 11: -3, 12: -3, // memory.init, copy, fill, table.init
	14: -3, 15: -1, 16: 1, 17: -3, // table.copy, grow, size, fill
}

var vectorDelta = func() (t [256]int8) {
	for i := range t {
		t[i] = -1 // most take two and give one
	}
	span := func(from, to byte, d int8) {
		for i := int(from); i <= int(to); i++ {
			t[i] = d
		}
	}
	span(0x00, 0x0a, 0)  // loads
	span(0x0b, 0x0b, -2) // store
	span(0x0c, 0x0c, 1)  // constant
	span(0x0f, 0x14, 0)  // splat
	for _, extract := range []byte{0x15, 0x16, 0x18, 0x19, 0x1b, 0x1d, 0x1f, 0x21} {
		t[extract] = 0
	}
	span(0x52, 0x52, -2)           // bitselect
	span(0x58, 0x5b, -2)           // store lane
	for _, one := range [][2]byte{ // those that take one
		{0x4d, 0x4d}, {0x53, 0x53}, {0x5c, 0x64}, {0x67, 0x6a}, {0x74, 0x75}, {0x7a, 0x7a}, {0x7c, 0x81},
		{0x83, 0x84}, {0x87, 0x8a}, {0x94, 0x94}, {0xa0, 0xa1}, {0xa3, 0xa4}, {0xa7, 0xaa}, {0xc0, 0xc1},
		{0xc3, 0xc4}, {0xc7, 0xca}, {0xe0, 0xe1}, {0xe3, 0xe3}, {0xec, 0xed}, {0xef, 0xef}, {0xf8, 0xff},
	} {
		span(one[0], one[1], 0)
	}
	return t
}()

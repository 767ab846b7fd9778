package wire

// Cursor is a place among the frames of a ring: behind all frames of earlier events, and behind so
// many frames of the event at Seq, or behind all of them if Output is 0.
type Cursor struct {
	Seq    uint64
	Output int
}

// Covers tells whether a frame that ends at f lies at or before the cursor.
func (c Cursor) Covers(f Cursor) bool {
	if f.Seq != c.Seq {
		return f.Seq < c.Seq
	}
	return c.Output == 0 || f.Output > 0 && f.Output <= c.Output
}

// Frame is one event as viewers get it: a whole block of the wire format, and the cursor behind it.
type Frame struct {
	At    Cursor
	Bytes []byte
}

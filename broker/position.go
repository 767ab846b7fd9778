package broker

import (
	"strconv"
	"strings"
)

// Position is a place in a tenant's history, as event ids on the wire tell it.
type Position struct {
	Epoch  string // of the history; another history has another
	Seq    uint64 // the last event seen
	Output int    // if not 0: of Seq's outputs from a callback this many were seen, and more follow
}

// String is the id: epoch-seq, or epoch-seq.output.
func (p Position) String() string { return string(p.Append(nil)) }

// Append appends the id to dst.
func (p Position) Append(dst []byte) []byte {
	dst = append(append(dst, p.Epoch...), '-')
	dst = strconv.AppendUint(dst, p.Seq, 10)
	if p.Output > 0 {
		dst = strconv.AppendInt(append(dst, '.'), int64(p.Output), 10)
	}
	return dst
}

// ParsePosition reads an id as String writes it; ok is false for anything else.
func ParsePosition(id string) (p Position, ok bool) {
	epoch, rest, found := strings.Cut(id, "-")
	if !found || epoch == "" || len(id) > 128 {
		return p, false
	}
	seq, output, partial := strings.Cut(rest, ".")
	p.Epoch = epoch
	var err error
	if p.Seq, err = strconv.ParseUint(seq, 10, 64); err != nil {
		return p, false
	}
	if partial {
		if p.Output, err = strconv.Atoi(output); err != nil || p.Output < 1 {
			return p, false
		}
	}
	return p, p.String() == id
}

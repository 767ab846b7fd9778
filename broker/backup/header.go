package backup

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
)

// blockBytes is what everything in a tar archive is a multiple of.
const blockBytes = 512

var zeroBlock [blockBytes]byte

// appendHeader appends the one header (USTAR) that a file of this folder, name, size and time can have.
func appendHeader(dst []byte, folder, name string, size int64, at time.Time) []byte {
	var h [blockBytes]byte
	copy(h[0:100], name)
	for _, f := range []struct {
		at, digits int
		value      int64
	}{{100, 7, 0o600}, {108, 7, 0}, {116, 7, 0}, {124, 11, size}, {136, 11, at.Unix()}, {329, 7, 0}, {337, 7, 0}} {
		copy(h[f.at:], fmt.Sprintf("%0*o", f.digits, f.value))
	}
	h[156] = '0' // a plain file
	copy(h[257:], "ustar\x0000")
	copy(h[345:500], folder)
	copy(h[148:156], "        ")
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:156], fmt.Sprintf("%06o\x00 ", sum))
	return append(dst, h[:]...)
}

// parseHeader reads a header that appendHeader made, and no other.
func parseHeader(h []byte) (folder, name string, size int64, at time.Time, err error) {
	name, folder = text(h[0:100]), text(h[345:500])
	size, errSize := strconv.ParseInt(text(h[124:136]), 8, 64)
	seconds, errTime := strconv.ParseInt(text(h[136:148]), 8, 64)
	at = time.Unix(seconds, 0).UTC()
	if errSize != nil || errTime != nil || !bytes.Equal(h, appendHeader(nil, folder, name, size, at)) {
		return "", "", 0, at, damaged("a header is not as it was written")
	}
	return folder, name, size, at, nil
}

// text is a field up to its first zero.
func text(field []byte) string {
	field, _, _ = bytes.Cut(field, []byte{0})
	return string(field)
}

// padding is how many zeros follow so many bytes.
func padding(size int64) int { return int(-size & (blockBytes - 1)) }

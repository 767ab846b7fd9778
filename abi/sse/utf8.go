package sse

import "unicode/utf8"

const replacement = "\uFFFD"

// decode returns b as text, by the rules of UTF-8 decode in browsers: each maximal part of a
// sequence that cannot be continued is one U+FFFD. strings.ToValidUTF8 makes one of a whole run,
// ranging over a string makes one of each byte.
func decode(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	out := make([]byte, 0, len(b)+len(b)/8+len(replacement))
	for len(b) > 0 {
		if r, n := utf8.DecodeRune(b); r != utf8.RuneError || n > 1 {
			out = append(out, b[:n]...)
			b = b[n:]
			continue
		}
		out = append(out, replacement...)
		b = b[brokenLen(b):]
	}
	return string(out)
}

// brokenLen returns how many bytes of b, which starts with no whole rune, one U+FFFD stands for:
// the lead byte and those behind it that could follow. The bounds are table 3-7 of the Unicode
// standard.
func brokenLen(b []byte) int {
	lo, hi, size := byte(0x80), byte(0xBF), 1
	switch c := b[0]; {
	case c >= 0xC2 && c <= 0xDF:
		size = 2
	case c >= 0xE0 && c <= 0xEF:
		size = 3
	case c >= 0xF0 && c <= 0xF4:
		size = 4
	}
	switch b[0] {
	case 0xE0:
		lo = 0xA0
	case 0xED:
		hi = 0x9F
	case 0xF0:
		lo = 0x90
	case 0xF4:
		hi = 0x8F
	}
	n := 1
	for n < size && n < len(b) && lo <= b[n] && b[n] <= hi {
		lo, hi = 0x80, 0xBF
		n++
	}
	return n
}

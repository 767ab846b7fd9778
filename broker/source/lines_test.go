package source_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/broker/source"
)

func TestLines(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     []string
	}{
		{"each line end ends a line", "a\nb\rc\r\nd\n", []string{"a", "b", "c", "d"}},
		{"the last needs none", "a\nb", []string{"a", "b"}},
		{"blank lines are left out", "\n\na\n\r\n\rb\n\n", []string{"a", "b"}},
		{"spaces are kept", "  a \n \n", []string{"  a ", " "}},
		{"a byte order mark is no text", "\xEF\xBB\xBFa\n\xEF\xBB\xBFb", []string{"a", "\uFEFFb"}},
		{"only a byte order mark", "\xEF\xBB\xBF", nil},
		{"what is not UTF-8 becomes U+FFFD", "a\xffb\xe2\x82c\n\x00", []string{"a\uFFFDb\uFFFDc", "\x00"}},
		{"nothing", "", nil},
	} {
		for size := 1; size <= len(tt.in)+1; size++ {
			got, err := source.ReadLines(100, slices.Collect(slices.Chunk([]byte(tt.in), size))...)
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("%s, in pieces of %d: %q, %v; want %q", tt.name, size, got, err, tt.want)
			}
		}
	}
}

func TestALineOverTheLimit(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		ok       bool
	}{
		{"just not", strings.Repeat("x", 10) + "\n", true},
		{"just", strings.Repeat("x", 11) + "\n", false},
		{"without an end", strings.Repeat("x", 11), false},
		{"in the middle", "a\n" + strings.Repeat("x", 11) + "\nb", false},
		{"a byte order mark does not count", "\xEF\xBB\xBF" + strings.Repeat("x", 10), true},
	} {
		for _, size := range []int{1, 4, 100} {
			_, err := source.ReadLines(10, slices.Collect(slices.Chunk([]byte(tt.in), size))...)
			if tt.ok != (err == nil) || err != nil && !errors.Is(err, abi.TooBig) {
				t.Errorf("%s, in pieces of %d: %v", tt.name, size, err)
			}
		}
	}
}

// FuzzLines compares with a way that has the whole body at hand, whatever the pieces are.
func FuzzLines(f *testing.F) {
	f.Add([]byte("a\r\nb\rc\n\nd"), 1)
	f.Add([]byte("\xEF\xBB\xBF\xEF\xBB\xBFa\xff\r"), 2)
	f.Add([]byte("0123456789abcdef0\n"), 3)
	f.Fuzz(func(t *testing.T, body []byte, size int) {
		const limit = 16
		size = min(max(size, 1), len(body)+1)
		var want []string
		tooBig := false
		rest := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(body))
		for i, line := range strings.Split(rest, "\n") {
			if i == 0 {
				line = strings.TrimPrefix(line, "\uFEFF")
			}
			if tooBig = len(line) > limit; tooBig {
				break
			}
			if line != "" {
				want = append(want, line)
			}
		}
		got, err := source.ReadLines(limit, slices.Collect(slices.Chunk(bytes.Clone(body), size))...)
		if (err != nil) != tooBig || len(got) != len(want) {
			t.Fatalf("%q in pieces of %d: %q, %v; want %q, too big %v", body, size, got, err, want, tooBig)
		}
		for i := range want {
			if !utf8.ValidString(got[i]) || utf8.ValidString(want[i]) && got[i] != want[i] {
				t.Fatalf("line %d is %q, want %q", i, got[i], want[i])
			}
		}
	})
}

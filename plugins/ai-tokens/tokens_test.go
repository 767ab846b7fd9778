package main

import (
	"slices"
	"testing"
)

func TestTokens(t *testing.T) {
	const role, end = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n", "data: [DONE]\n\n"
	word := func(s string) string { return `data: {"choices":[{"delta":{"content":"` + s + `"}}]}` }
	for _, tt := range []struct {
		name, stream string
		want         []string
		fails        bool
	}{
		{"chunks with text are tokens", role + word("a") + "\n\n" + word(" b") + "\n\n" + end, []string{"a", " b"}, false},
		{"nothing counts after the end", word("a") + "\n\n" + end + word("b") + "\n\n", []string{"a"}, false},
		{"lines may end with CR LF", word("a") + "\r\n\r\n" + end, []string{"a"}, false},
		{"comments and other fields are not data", ": hi\nevent: x\n" + word("a") + "\n", []string{"a"}, false},
		{"a chunk without choices is passed over", "data: {\"choices\":[]}\n\n" + word("a"), []string{"a"}, false},
		{"a chunk that is not JSON is an error", word("a") + "\n\ndata: {\n\n" + word("b"), []string{"a"}, true},
	} {
		var got []string
		failed := false
		for token, err := range tokens(tt.stream) {
			if failed = err != nil; !failed {
				got = append(got, token)
			}
		}
		if !slices.Equal(got, tt.want) || failed != tt.fails {
			t.Errorf("%s: tokens %q, failed %v, want %q, %v", tt.name, got, failed, tt.want, tt.fails)
		}
	}
}

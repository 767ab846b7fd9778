package bench

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestLinesComeWholeWhereverAResponseIsCut(t *testing.T) {
	const lines = "id: 1\ndata: one\n\nid: 2\ndata: two\n\n"
	chunks := "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
	for i := 0; i < len(lines); i += 5 {
		piece := lines[i:min(i+5, len(lines))]
		chunks += fmt.Sprintf("%X\r\n%s\r\n", len(piece), piece)
	}
	for _, tt := range []struct{ name, response string }{
		{"chunked", chunks},
		{"to the end of the connection", "HTTP/1.0 200 OK\r\n\r\n" + lines},
	} {
		for cut := range tt.response {
			var r response
			var got strings.Builder
			take := func(line []byte) { got.Write(append(line[:len(line):len(line)], '\n')) }
			err := errors.Join(r.feed([]byte(tt.response[:cut]), take), r.feed([]byte(tt.response[cut:]), take))
			if err != nil || got.String() != lines || !r.opened() {
				t.Fatalf("%s, cut at %d: %q, %v", tt.name, cut, got.String(), err)
			}
		}
	}
}

func TestAResponseThatIsNoStreamIsRefused(t *testing.T) {
	for _, tt := range []struct{ name, response, want string }{
		{"a refusal comes with its status and reason", "HTTP/1.1 503 Busy\r\n\r\nlater", "503 Busy later"},
		{"a redirect is not followed", "HTTP/1.1 302 Found\r\n\r\n", "302"},
		{"no HTTP", "SSH-2.0\r\n\r\n", "SSH"},
		{"an endless head", strings.Repeat("x", maxHead+1), "too long"},
		{"a chunk without a size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n!", "no HTTP"},
		{"a chunk of more than memory", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFF", "too big"},
		{"the end", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "ended"},
		{"an endless line", "HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", maxLine+1), "too long"},
	} {
		var r response
		if err := r.feed([]byte(tt.response), func([]byte) {}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

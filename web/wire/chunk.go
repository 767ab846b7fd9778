package wire

import (
	"bytes"
	"strconv"
)

// A frame in a segment is one chunk of HTTP/1.1's chunked coding, so that it can be sent as it lies
// there. Chunks and not an end by closing: a client or proxy can then tell a stream that is complete
// from one that was cut.

// lastChunk ends a body in chunks.
const lastChunk = "0\r\n\r\n"

// maxChunkHead bounds the bytes in front of a chunk's body: 8 digits and CRLF.
const maxChunkHead = 10

// appendChunk appends b as one chunk, or nothing if b is empty: an empty chunk would end the body.
func appendChunk(dst, b []byte) []byte {
	if len(b) == 0 {
		return dst
	}
	dst = strconv.AppendUint(dst, uint64(len(b)), 16)
	dst = append(dst, "\r\n"...)
	dst = append(dst, b...)
	return append(dst, "\r\n"...)
}

// chunkSize bounds what appendChunk appends for n bytes.
func chunkSize(n int) int { return maxChunkHead + n + len("\r\n") }

// chunkBody is what is in one whole chunk.
func chunkBody(chunk []byte) []byte {
	return chunk[bytes.IndexByte(chunk, '\n')+1 : len(chunk)-len("\r\n")]
}

package main

import (
	"encoding/json"
	"fmt"
	"iter"
	"strings"
)

// chunk is the data of one event of a chat completion.
type chunk struct {
	Choices []struct {
		Delta struct {
			Content string `json:"content"`
		} `json:"delta"`
	} `json:"choices"`
}

// tokens yields the pieces of text in a recorded stream until its [DONE]. Events without text, such
// as the first with the role alone, are passed over. A chunk that cannot be read is yielded as an
// error and ends it.
func tokens(stream string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for line := range strings.Lines(stream) {
			data, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), "data: ")
			if !ok {
				continue
			}
			if data == "[DONE]" {
				return
			}
			var c chunk
			if err := json.Unmarshal([]byte(data), &c); err != nil {
				yield("", fmt.Errorf("read chunk: %w", err))
				return
			}
			if len(c.Choices) == 0 || c.Choices[0].Delta.Content == "" {
				continue
			}
			if !yield(c.Choices[0].Delta.Content, nil) {
				return
			}
		}
	}
}

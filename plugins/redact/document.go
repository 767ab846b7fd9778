package main

import (
	"encoding/json"
	"strings"
)

// isDocument tells whether data is JSON with strings in it. A number alone is as well text, and
// masked as such.
func isDocument(data string) bool {
	start := strings.TrimLeft(data, " \t\r\n")
	return start != "" && strings.IndexByte(`{["`, start[0]) >= 0 && json.Valid([]byte(data))
}

// redactDocument masks in the strings and numbers of a valid JSON text, as they read without
// escapes, and leaves every other byte as it was. A number that is masked becomes a string.
func redactDocument(doc string) string {
	var b strings.Builder
	for doc != "" {
		n := tokenLen(doc)
		b.WriteString(redactToken(doc[:n]))
		doc = doc[n:]
	}
	return b.String()
}

func redactToken(token string) string {
	text := token
	if token[0] == '"' {
		text = unquote(token)
	}
	masked := redactText(text)
	if masked == text {
		return token
	}
	quoted, _ := json.Marshal(masked) // a string always can be
	return string(quoted)
}

// unquote is what a string of a valid document says.
func unquote(token string) (text string) {
	if !strings.Contains(token, `\`) {
		return token[1 : len(token)-1]
	}
	_ = json.Unmarshal([]byte(token), &text) // it is valid
	return text
}

// tokenLen is the length of the string or number that doc begins with, else 1.
func tokenLen(doc string) int {
	switch {
	case doc[0] == '"':
		for i := 1; ; i++ {
			switch doc[i] {
			case '\\':
				i++
			case '"':
				return i + 1
			}
		}
	case isDigit(doc[0]) || doc[0] == '-':
		return len(doc) - len(strings.TrimLeft(doc, "0123456789-+.eE"))
	}
	return 1
}

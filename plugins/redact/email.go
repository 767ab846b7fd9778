package main

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const emailMask = "[e-mail]"

// maskEmails replaces e-mail addresses: around an @, letters, digits and ._%+-' before it and a
// host name with a dot after it. It looks at each byte a fixed number of times, so that a long text
// of @ signs costs no more than any other.
func maskEmails(text string) string {
	var b strings.Builder
	for {
		at := strings.IndexByte(text, '@')
		if at < 0 {
			b.WriteString(text)
			return b.String()
		}
		start, end := localStart(text[:at]), at+1+hostLen(text[at+1:])
		if start == at || end == at+1 {
			b.WriteString(text[:at+1])
			text = text[at+1:]
			continue
		}
		b.WriteString(text[:start])
		b.WriteString(emailMask)
		text = text[end:]
	}
}

// localStart is where the local part at the end of s begins: len(s) if there is none.
func localStart(s string) int {
	start := strings.LastIndexFunc(s, func(r rune) bool { return !isWord(r) && !strings.ContainsRune("._%+-'", r) })
	if start >= 0 {
		_, n := utf8.DecodeRuneInString(s[start:])
		s, start = s[start+n:], start+n
	} else {
		start = 0
	}
	if !strings.ContainsFunc(s, isWord) {
		return start + len(s)
	}
	return start
}

// hostLen is the length of the host name that s begins with: labels with dots between, the last of
// at least two characters and not a number. It is 0 if there is none.
func hostLen(s string) int {
	n, labels := 0, 0
	for {
		label := labelLen(s[n:])
		if label == 0 {
			return 0
		}
		last := s[n : n+label]
		n, labels = n+label, labels+1
		if !strings.HasPrefix(s[n:], ".") || labelLen(s[n+1:]) == 0 {
			if labels < 2 || utf8.RuneCountInString(last) < 2 || strings.Trim(last, "0123456789") == "" {
				return 0
			}
			return n
		}
		n++
	}
}

func labelLen(s string) int {
	n := strings.IndexFunc(s, func(r rune) bool { return !isWord(r) && r != '-' })
	if n < 0 {
		n = len(s)
	}
	return len(strings.TrimRight(s[:n], "-"))
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) }

package broker

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxSubjectBytes bounds the length of a subject and of a pattern.
const MaxSubjectBytes = 256

// ValidSubject returns nil if s can be published to: tokens between dots, none empty, no wildcard,
// white space or control character. Subjects that begin with _ are kept for the server. The error is
// an *InvalidError.
func ValidSubject(s string) error { return checkSubject(s, false) }

// ValidPattern returns nil if s can be subscribed to: a subject in which * stands for one token and
// a last > for one or more. The error is an *InvalidError.
func ValidPattern(s string) error { return checkSubject(s, true) }

func checkSubject(s string, wildcards bool) error {
	switch {
	case s == "":
		return invalid("subject", "is empty")
	case len(s) > MaxSubjectBytes:
		return invalid("subject", "has %d bytes, more than %d", len(s), MaxSubjectBytes)
	case !utf8.ValidString(s):
		return invalid("subject", "is not UTF-8")
	case !wildcards && s[0] == '_':
		return invalid("subject", "begins with _, which is kept for the server")
	case strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return invalid("subject", "has white space or a control character in it")
	}
	for rest, more := s, true; more; {
		var token string
		token, rest, more = strings.Cut(rest, ".")
		if err := checkToken(token, !more, wildcards); err != nil {
			return err
		}
	}
	return nil
}

func checkToken(token string, last, wildcards bool) error {
	switch {
	case token == "":
		return invalid("subject", "has an empty token")
	case !strings.ContainsAny(token, "*>"):
		return nil
	case !wildcards:
		return invalid("subject", "has a wildcard in it")
	case token != "*" && token != ">":
		return invalid("subject", "has a wildcard that is not a token of its own")
	case token == ">" && !last:
		return invalid("subject", "has a > before its end")
	}
	return nil
}

// SubjectMatches tells whether pattern, a valid pattern, covers subject. A pattern as subject is
// covered when everything that it matches is: a.> covers a.*.
func SubjectMatches(pattern, subject string) bool {
	for {
		p, prest, pmore := strings.Cut(pattern, ".")
		s, srest, smore := strings.Cut(subject, ".")
		switch {
		case p == ">":
			return true
		case s == ">", p != "*" && p != s, pmore != smore:
			return false
		case !pmore:
			return true
		}
		pattern, subject = prest, srest
	}
}

// sourceSubject begins the subjects of sources' cursors, which nobody can subscribe to.
const sourceSubject = "_source"

// internal tells whether subject, or pattern, is the server's alone.
func internal(subject string) bool {
	first, _, _ := strings.Cut(subject, ".")
	return first == sourceSubject
}

// covers is SubjectMatches for subscriptions: no wildcard stands for a first token that begins with
// _, so that who asks for everything does not get what the server keeps beside it.
func covers(pattern, subject string) bool {
	if subject[0] == '_' && (pattern[0] == '*' || pattern[0] == '>') {
		return false
	}
	return SubjectMatches(pattern, subject)
}

// minimalPatterns returns patterns sorted, without those that another one covers.
func minimalPatterns(patterns []string) []string {
	sorted := slices.Compact(slices.Sorted(slices.Values(patterns)))
	return slices.DeleteFunc(slices.Clone(sorted), func(p string) bool {
		return slices.ContainsFunc(sorted, func(other string) bool { return other != p && covers(other, p) })
	})
}

package source

import (
	"strings"
	"unicode"

	"github.com/millrace/millrace/abi"
)

const (
	eventParam = "{event}"

	// maxSubject leaves an event's name its room in a subject, of at most 256 bytes.
	maxSubject  = 160
	maxNamePart = 64
)

// subject returns where an event called name goes.
func subject(template, name string) string {
	if !strings.Contains(template, eventParam) {
		return template
	}
	return strings.ReplaceAll(template, eventParam, token(name))
}

// token is name as one part of a subject: what would split it, or stand for others, becomes _. An
// event without a name is a browser's message.
func token(name string) string {
	if name == "" {
		return "message"
	}
	name = strings.Map(func(r rune) rune {
		if r == '.' || r == '*' || r == '>' || unicode.IsSpace(r) || unicode.IsControl(r) {
			return '_'
		}
		return r
	}, name)
	if len(name) > maxNamePart {
		name = strings.ToValidUTF8(name[:maxNamePart], "")
	}
	return name
}

// checkSubject takes {event} for a name that is one part of a subject.
func checkSubject(template string) error {
	if strings.Count(template, eventParam) > 1 {
		return invalid("subject", "has more than one %s", eventParam)
	}
	s := strings.ReplaceAll(template, eventParam, "message")
	switch {
	case s == "":
		return invalid("subject", "is empty")
	case len(s) > maxSubject:
		return invalid("subject", "has %d bytes, more than %d", len(s), maxSubject)
	case strings.ContainsAny(s, "{}"):
		return invalid("subject", "has a parameter other than %s", eventParam)
	case strings.HasPrefix(template, "_") || strings.HasPrefix(template, eventParam):
		return invalid("subject", "begins with _ or with %s, which may", eventParam)
	case strings.ContainsAny(s, "*>"), strings.ContainsFunc(s, unicode.IsSpace), strings.ContainsFunc(s, unicode.IsControl),
		strings.ToValidUTF8(s, "") != s:
		return invalid("subject", "has a wildcard, white space, a control character or bytes that are not UTF-8")
	}
	for part := range strings.SplitSeq(s, ".") {
		if part == "" {
			return invalid("subject", "has an empty part between its dots")
		}
	}
	return nil
}

// named tells whether e is one of the events called names, of which none means all.
func named(names []string, e abi.Event) bool {
	if len(names) == 0 {
		return true
	}
	name := e.Name
	if name == "" {
		name = "message"
	}
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

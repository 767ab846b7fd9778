package broker_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/millrace/millrace/broker"
)

func TestValidSubject(t *testing.T) {
	long := strings.Repeat("a", broker.MaxSubjectBytes)
	for _, tt := range []struct {
		name, s          string
		subject, pattern bool
	}{
		{"one token", "a", true, true},
		{"several tokens", "quotes.AAPL.bid", true, true},
		{"letters of any script", "größe.日本", true, true},
		{"signs that NATS gives no meaning", "a$b.c-d_e/f", true, true},
		{"as long as allowed", long, true, true},
		{"too long", long + "a", false, false},
		{"empty", "", false, false},
		{"dot first", ".a", false, false},
		{"dot last", "a.", false, false},
		{"two dots", "a..b", false, false},
		{"space", "a b", false, false},
		{"tab", "a\tb", false, false},
		{"line break", "a\r\nPUB b", false, false},
		{"NUL", "a\x00", false, false},
		{"no-break space", "a\u00a0b", false, false},
		{"not UTF-8", "a\xff", false, false},
		{"star as a token", "a.*.b", false, true},
		{"star in a token", "a.b*", false, false},
		{"rest at the end", "a.>", false, true},
		{"rest alone", ">", false, true},
		{"rest in the middle", "a.>.b", false, false},
		{"rest in a token", "a.b>", false, false},
		{"kept for the server", "_run.x", false, true},
	} {
		for kind, err := range map[string]error{"subject": broker.ValidSubject(tt.s), "pattern": broker.ValidPattern(tt.s)} {
			want := kind == "subject" && tt.subject || kind == "pattern" && tt.pattern
			if (err == nil) != want {
				t.Errorf("%s as %s: %v", tt.name, kind, err)
			}
			var bad *broker.InvalidError
			if err != nil && !errors.As(err, &bad) {
				t.Errorf("%s as %s: %T", tt.name, kind, err)
			}
		}
	}
}

func TestSubjectMatches(t *testing.T) {
	for _, tt := range []struct {
		pattern, subject string
		want             bool
	}{
		{"a", "a", true}, {"a", "b", false}, {"a", "a.b", false}, {"a.b", "a", false},
		{"*", "a", true}, {"*", "a.b", false}, {"a.*", "a.b", true}, {"*.b", "a.b", true}, {"*.b", "a.c", false},
		{">", "a", true}, {">", "a.b.c", true}, {"a.>", "a.b.c", true}, {"a.>", "a", false}, {"a.>", "b.a", false},
		{"a.>", "a.*", true}, {"a.>", "a.>", true}, {"a.*", "a.>", false}, {"*", "*", true}, {"a", "*", false},
	} {
		if got := broker.SubjectMatches(tt.pattern, tt.subject); got != tt.want {
			t.Errorf("SubjectMatches(%q, %q) = %t", tt.pattern, tt.subject, got)
		}
	}
}

// FuzzSubject holds to what the rules build on: a valid subject is a valid pattern that matches
// itself and is one line of NATS' protocol.
func FuzzSubject(f *testing.F) {
	for _, s := range []string{"a", "a.b", "a.*", ">", "a..b", "a b", "é", "\xff", "_x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if broker.ValidSubject(s) == nil {
			if broker.ValidPattern(s) != nil || !broker.SubjectMatches(s, s) || !broker.SubjectMatches(">", s) {
				t.Errorf("%q is no pattern that matches itself", s)
			}
			if strings.ContainsAny(s, " \r\n\t*>") {
				t.Errorf("%q is not one word", s)
			}
		}
		if broker.ValidPattern(s) == nil && !broker.SubjectMatches(s, s) {
			t.Errorf("%q does not cover itself", s)
		}
	})
}

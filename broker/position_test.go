package broker_test

import (
	"testing"

	"github.com/millrace/millrace/broker"
)

func TestParsePosition(t *testing.T) {
	for _, tt := range []struct {
		name, id string
		want     broker.Position
		ok       bool
	}{
		{"an event", "abc-12", broker.Position{Epoch: "abc", Seq: 12}, true},
		{"part of an event's outputs", "abc-12.3", broker.Position{Epoch: "abc", Seq: 12, Output: 3}, true},
		{"before the first", "abc-0", broker.Position{Epoch: "abc"}, true},
		{"no epoch", "-12", broker.Position{}, false},
		{"no sequence", "abc-", broker.Position{}, false},
		{"leading zero", "abc-012", broker.Position{}, false},
		{"plus sign", "abc-+12", broker.Position{}, false},
		{"output 0", "abc-12.0", broker.Position{}, false},
		{"negative output", "abc-12.-1", broker.Position{}, false},
		{"over 64 bits", "abc-18446744073709551616", broker.Position{}, false},
		{"empty", "", broker.Position{}, false},
	} {
		got, ok := broker.ParsePosition(tt.id)
		if ok != tt.ok || ok && got != tt.want {
			t.Errorf("%s: ParsePosition(%q) = %+v, %t", tt.name, tt.id, got, ok)
		}
	}
}

func FuzzPosition(f *testing.F) {
	for _, s := range []string{"abc-12", "abc-12.3", "-", "a-1.", "a--1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if p, ok := broker.ParsePosition(id); ok && p.String() != id {
			t.Errorf("%q is read as %q", id, p)
		}
	})
}

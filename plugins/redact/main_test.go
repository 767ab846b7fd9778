package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/guest/guesttest"
)

func TestRedact(t *testing.T) {
	for _, tt := range []struct{ name, data, want string }{
		{"text without either passes", "Meet at 10 @ the mill, gate 4", ""},
		{"nothing passes", "", ""},
		{"both in one text", "4111111111111111 for bob@example.com", "**************** for [e-mail]"},
		{"several of each", "a@b.io, c@d.io; 5555555555554444/378282246310005", "[e-mail], [e-mail]; ****************/***************"},
		{"strings of JSON", `{"from": "bob@example.com", "n": 1}`, `{"from": "[e-mail]", "n": 1}`},
		{"also with escapes", `{"from":"bob\u0040example.com","card":"4111\u00201111 1111 1111"}`, `{"from":"[e-mail]","card":"**** **** **** ****"}`},
		{"also as keys", `{"bob@example.com":[true,null,-1.5e3]}`, `{"[e-mail]":[true,null,-1.5e3]}`},
		{"a number of JSON becomes a string", `[4111111111111111, 7]`, `["****************", 7]`},
		{"with its exponent", `[4111111111111111e0]`, `["****************e0"]`},
		{"a document that is a string", ` "bob@example.com"`, ` "[e-mail]"`},
		{"other strings keep their escapes", `{"a":"\u00e9\/","b":"x@y.zz"}`, `{"a":"\u00e9\/","b":"[e-mail]"}`},
		{"a string that ends in a backslash", `{"a":"\\","b":"x@y.zz","c":"\""}`, `{"a":"\\","b":"[e-mail]","c":"\""}`},
		{"what only looks like JSON is text", `{bob@example.com}`, `{[e-mail]}`},
		{"JSON without either passes", `{"time":1767225600000,"price":212.5}`, ""},
	} {
		got := new(guesttest.Host).Event(t, onEvent, abi.Event{Data: tt.data, Name: "n"})
		if tt.want == "" {
			if !got.Passed() || len(got.Sent) > 0 {
				t.Errorf("%s: code %d, sent %v, want it passed", tt.name, got.Code, got.Sent)
			}
			continue
		}
		if want := []abi.Event{{Data: tt.want, Name: "n"}}; got.Code != abi.EventDrop || !slices.Equal(got.Sent, want) {
			t.Errorf("%s: code %d, sent %v, want %v in its place", tt.name, got.Code, got.Sent, want)
		}
	}
}

func FuzzRedact(f *testing.F) {
	for _, seed := range []string{
		"4111 1111 1111 1111 1111", `{"a":"bob@example.com"}`, `"\ud800@x.yy"`, "a@b@c.de", "é@ü.de", `[4111111111111111e1]`, "@", "a@", "-a@b.-c-.dd",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data string) {
		once := redact(data)
		if again := redact(once); again != once {
			t.Errorf("%q became %q and then %q", data, once, again)
		}
		if isDocument(data) && !json.Valid([]byte(once)) {
			t.Errorf("%q was JSON and became %q", data, once)
		}
		if !strings.ContainsAny(data, `@\0123456789`) && once != data {
			t.Errorf("%q became %q", data, once)
		}
	})
}

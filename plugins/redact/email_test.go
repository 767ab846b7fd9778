package main

import "testing"

func TestMaskEmails(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"alone", "bob@example.com", "[e-mail]"},
		{"in a sentence", "Write to bob.b+news@mail.example.co.uk.", "Write to [e-mail]."},
		{"in brackets", "Bob <bob@example.com>", "Bob <[e-mail]>"},
		{"after a colon", "mailto:bob@example.com?subject=x", "mailto:[e-mail]?subject=x"},
		{"several", "a@b.cd,e@f.gh", "[e-mail],[e-mail]"},
		{"an apostrophe", "o'neil@example.ie", "[e-mail]"},
		{"other alphabets", "è vèra@müller.de", "è [e-mail]"},
		{"a host in punycode", "a@xn--mller-kva.de", "[e-mail]"},
		{"upper case", "BOB@EXAMPLE.COM", "[e-mail]"},
		{"a hyphen in the host", "a@my-host.com-", "[e-mail]-"},
		{"a host without a dot", "root@localhost", "root@localhost"},
		{"a host that is a number", "a@10.0.0.1", "a@10.0.0.1"},
		{"a last label of one letter", "a@b.c", "a@b.c"},
		{"nothing before it", "@example.com", "@example.com"},
		{"signs alone before it", "..@example.com", "..@example.com"},
		{"nothing after it", "bob@", "bob@"},
		{"two signs", "a@b@c.de", "a@[e-mail]"},
		{"an empty label", "a@b..de", "a@b..de"},
	} {
		if got := maskEmails(tt.text); got != tt.want {
			t.Errorf("%s: maskEmails(%q) = %q, want %q", tt.name, tt.text, got, tt.want)
		}
	}
}

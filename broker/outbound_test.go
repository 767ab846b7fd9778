package broker_test

import (
	"errors"
	"testing"

	"github.com/millrace/millrace/broker"
)

func TestMayReach(t *testing.T) {
	b, _ := start(t, broker.Config{})
	nowhere := tenant(t, b, "nowhere", broker.Spec{})
	some := tenant(t, b, "some", broker.Spec{Outbound: []string{"api.example.com", "*.example.org", "192.0.2.7", "::1"}})
	all := tenant(t, b, "all", broker.Spec{Outbound: []string{"*"}})
	for _, tt := range []struct {
		name string
		view *broker.View
		host string
		want bool
	}{
		{"an empty list is nowhere", nowhere, "api.example.com", false},
		{"a name in the list", some, "api.example.com", true},
		{"a name below it", some, "x.api.example.com", false},
		{"a name above it", some, "example.com", false},
		{"a name below a wildcard", some, "a.b.example.org", true},
		{"the wildcard's own domain", some, "example.org", false},
		{"a name that only ends alike", some, "badexample.org", false},
		{"an address in the list", some, "192.0.2.7", true},
		{"an address of version 6", some, "::1", true},
		{"another address", some, "192.0.2.8", false},
		{"any name for *", all, "x", true},
		{"no name at all", all, "", false},
	} {
		if got := tt.view.MayReach(tt.host); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestBadOutbound(t *testing.T) {
	b, _ := start(t, broker.Config{})
	for _, tt := range []struct{ name, host string }{
		{"a port", "example.com:443"}, {"a scheme", "https://example.com"}, {"capitals", "Example.com"},
		{"a wildcard within", "a.*.com"}, {"a wildcard as part of a label", "*example.com"}, {"nothing", ""},
		{"two dots", "a..com"}, {"a dot at the end", "example.com."}, {"only a wildcard's dot", "*."},
	} {
		_, _, err := b.PutTenant(within(t), "acme", broker.Spec{Outbound: []string{tt.host}})
		var bad *broker.InvalidError
		if !errors.As(err, &bad) || bad.Field != "outbound" {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

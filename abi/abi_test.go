package abi_test

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/abi"
)

func TestValidName(t *testing.T) {
	for _, tt := range []struct {
		name  string
		valid bool
	}{
		{"a", true},
		{"0", true},
		{"quotes-v2", true},
		{"a--b-", true},
		{strings.Repeat("a", 63), true},
		{strings.Repeat("a", 64), false},
		{"", false},
		{"-a", false},
		{"A", false},
		{"a_b", false},
		{"a.b", false},
		{"a/b", false},
		{"a b", false},
		{"ä", false},
		{"a\x00", false},
		{"a\n", false},
	} {
		if got := abi.ValidName(tt.name); got != tt.valid {
			t.Errorf("ValidName(%q) = %v, want %v", tt.name, got, tt.valid)
		}
	}
}

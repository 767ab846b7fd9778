package main

import "testing"

func TestMaskCards(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"visa", "4111111111111111", "****************"},
		{"visa of 13 digits", "4222222222222", "*************"},
		{"mastercard", "5555555555554444", "****************"},
		{"mastercard of the second range", "2223003122003222", "****************"},
		{"american express", "378282246310005", "***************"},
		{"diners", "30569309025904", "**************"},
		{"discover", "6011111111111117", "****************"},
		{"jcb", "3530111333300000", "****************"},
		{"19 digits", "6304000000000000000", "*******************"},
		{"spaces stay", "pay 4111 1111 1111 1111 now", "pay **** **** **** **** now"},
		{"hyphens stay", "4111-1111-1111-1111", "****-****-****-****"},
		{"groups of american express", "3782 822463 10005", "**** ****** *****"},
		{"letters on both sides", "x4111111111111111y", "x****************y"},
		{"a number before it", "item 2 4111 1111 1111 1111", "item 2 **** **** **** ****"},
		{"two in a row", "4111 1111 1111 1111 5555 5555 5555 4444", "**** **** **** **** **** **** **** ****"},
		{"two in lines", "4111111111111111\n5555555555554444", "****************\n****************"},
		{"a wrong check digit", "4111111111111112", "4111111111111112"},
		{"no issuer begins so", "1111111111111117", "1111111111111117"},
		{"a time in milliseconds with a right check digit", "1767225600009", "1767225600009"},
		{"12 digits are too few", "411111111116", "411111111116"},
		{"20 digits in one are something else", "41111111111111111111", "41111111111111111111"},
		{"two spaces part", "4111 1111  1111 1111", "4111 1111  1111 1111"},
		{"other signs part", "4111.1111.1111.1111", "4111.1111.1111.1111"},
		{"nothing", "", ""},
	} {
		if got := maskCards(tt.text); got != tt.want {
			t.Errorf("%s: maskCards(%q) = %q, want %q", tt.name, tt.text, got, tt.want)
		}
	}
}

func TestLuhn(t *testing.T) {
	for digits, want := range map[string]bool{
		"79927398713": true, "79927398710": false, "0": true, "18": true, "81": false, "1767225600009": true,
	} {
		if got := luhn([]byte(digits)); got != want {
			t.Errorf("luhn(%s) = %v, want %v", digits, got, want)
		}
	}
}

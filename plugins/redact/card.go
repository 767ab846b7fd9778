package main

// group is a run of digits in a text.
type group struct {
	start, end int
	linked     bool // one space or hyphen parts it from the group before
}

const minCard, maxCard = 13, 19 // digits

// maskCards replaces the digits of card numbers with asterisks: whole groups of digits, 13 to 19
// together, that begin as an issuer's numbers do and have the right check digit. Where a text can
// be read in two ways, as with two numbers in a row, both are masked.
func maskCards(text string) string {
	groups := digitGroups(text)
	var masked []byte
	for first := range groups {
		var digits []byte
		for last := first; last < len(groups); last++ {
			g := groups[last]
			if last > first && !g.linked || len(digits)+g.end-g.start > maxCard {
				break
			}
			digits = append(digits, text[g.start:g.end]...)
			if !isCard(digits) {
				continue
			}
			if masked == nil {
				masked = []byte(text)
			}
			hide(masked, groups[first:last+1])
		}
	}
	if masked == nil {
		return text
	}
	return string(masked)
}

func digitGroups(text string) (groups []group) {
	for i := 0; i < len(text); i++ {
		if !isDigit(text[i]) {
			continue
		}
		g := group{start: i}
		if i >= 2 && (text[i-1] == ' ' || text[i-1] == '-') {
			g.linked = isDigit(text[i-2])
		}
		for i < len(text) && isDigit(text[i]) {
			i++
		}
		g.end = i
		groups = append(groups, g)
	}
	return groups
}

func hide(text []byte, groups []group) {
	for _, g := range groups {
		for i := g.start; i < g.end; i++ {
			text[i] = '*'
		}
	}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// issuers are the ranges of first four digits that card numbers have, with their lengths. They
// keep most time stamps and order numbers out, one in ten of which has a right check digit.
var issuers = []struct{ from, to, min, max int }{
	{2221, 2720, 16, 16},
	{3000, 3059, 14, 19},
	{3095, 3095, 14, 19},
	{3400, 3499, 15, 15},
	{3528, 3589, 16, 19},
	{3600, 3699, 14, 19},
	{3700, 3799, 15, 15},
	{3800, 3999, 14, 19},
	{4000, 5099, 13, 19},
	{5100, 5599, 16, 16},
	{5600, 6999, 13, 19},
}

func isCard(digits []byte) bool {
	n := len(digits)
	if n < minCard || n > maxCard {
		return false
	}
	begin := 0
	for _, d := range digits[:4] {
		begin = 10*begin + int(d-'0')
	}
	for _, i := range issuers {
		if i.from <= begin && begin <= i.to && i.min <= n && n <= i.max {
			return luhn(digits)
		}
	}
	return false
}

// luhn tells whether the last digit is the check digit of the others.
func luhn(digits []byte) bool {
	sum := 0
	for i, d := range digits {
		v := int(d - '0')
		if (len(digits)-i)%2 == 0 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return sum%10 == 0
}

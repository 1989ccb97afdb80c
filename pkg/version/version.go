// Package version orders versions as systemd does.
//
// The rules are those of the UAPI version format specification (UAPI.10) as
// systemd's strverscmp_improved implements them; where the two differ, systemd
// is followed, so that "systemd-analyze compare-versions" always agrees. There
// is one known difference: a run of digits that is missing on one side is older
// than any run, also older than "0" (the specification counts it as 0).
//
// The package is pure and allocates nothing.
package version

import (
	"cmp"
	"strings"
)

// Compare returns -1 if a is older than b, 1 if it is newer, and 0 if both
// mean the same version. Any string is a version.
//
//	1~rc1 < 1 < 1^post < 1-2 < 1.1 < 1.10;  25~beta < 25 < 25beta
func Compare(a, b string) int {
	for {
		var order int
		// What most versions consist of needs no look at the rest: a boot may wait for
		// thousands of them.
		if dot := dots(a, b); startsWithDigit(a[dot:]) && startsWithDigit(b[dot:]) {
			if order, a, b = segment(a[dot:], b[dot:]); order != 0 {
				return order
			}
			continue
		}
		a, b = skipInvalid(a), skipInvalid(b)
		// A '~' sorts before everything, even before the end.
		if order, a, b = marker('~', a, b); order != 0 {
			return order
		}
		if a == "" || b == "" {
			return cmp.Compare(min(len(a), 1), min(len(b), 1))
		}
		if !isAlphanumeric(a[0]) || !isAlphanumeric(b[0]) {
			for _, m := range []byte("-^.") {
				if order, a, b = marker(m, a, b); order != 0 {
					return order
				}
			}
		}
		if order, a, b = segment(a, b); order != 0 {
			return order
		}
	}
}

// dots returns how many dots both begin with: one or none.
func dots(a, b string) int {
	if a != "" && b != "" && a[0] == '.' && b[0] == '.' {
		return 1
	}
	return 0
}

func startsWithDigit(s string) bool { return s != "" && isDigit(s[0]) }

// skipInvalid drops the leading bytes that carry no meaning: they only separate.
func skipInvalid(s string) string {
	for s != "" && !isAlphanumeric(s[0]) && strings.IndexByte("~^.-", s[0]) < 0 {
		s = s[1:]
	}
	return s
}

// marker compares by a marker byte: the side that has it alone is older; if both
// have it, it is taken off both.
func marker(m byte, a, b string) (int, string, string) {
	inA, inB := a != "" && a[0] == m, b != "" && b[0] == m
	switch {
	case inA && inB:
		return 0, a[1:], b[1:]
	case inA:
		return -1, a, b
	case inB:
		return 1, a, b
	}
	return 0, a, b
}

// segment compares the leading runs of digits, or else of letters, and takes
// them off.
func segment(a, b string) (order int, restA, restB string) {
	if startsWithDigit(a) || startsWithDigit(b) {
		i, j := digits(a), digits(b)
		return compareNumbers(a[:i], b[:j]), a[i:], b[j:]
	}
	i, j := letters(a), letters(b)
	return strings.Compare(a[:i], b[:j]), a[i:], b[j:]
}

// compareNumbers compares runs of digits of any length without converting them.
func compareNumbers(a, b string) int {
	if a == "" || b == "" {
		return cmp.Compare(min(len(a), 1), min(len(b), 1))
	}
	a, b = trimZeros(a), trimZeros(b)
	if len(a) != len(b) {
		return cmp.Compare(len(a), len(b))
	}
	return strings.Compare(a, b)
}

func trimZeros(s string) string {
	for s != "" && s[0] == '0' {
		s = s[1:]
	}
	return s
}

// digits returns how many digits are at the beginning.
func digits(s string) (n int) {
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n
}

// letters returns how many letters are at the beginning.
func letters(s string) (n int) {
	for n < len(s) && isLetter(s[n]) {
		n++
	}
	return n
}

func isAlphanumeric(c byte) bool { return isDigit(c) || isLetter(c) }

func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// Package words splits lines of configuration into words, and undoes C escapes, by
// the rules that systemd applies to all its line-based formats.
//
// Words are separated by white space. Single and double quotes keep separators within
// a word, and may begin in its middle. A backslash takes the next byte literally, or
// begins an escape as in C: \n, \x41, \101, \u00e4, \U0001f600, and \s for a space.
// An escape that names no byte or character, a NUL byte, a quote or a backslash at the
// end that nothing follows are refused. It needs no privileges.
//
// See systemd.syntax(7), "Quoting", and systemd.service(5), "Command lines".
package words

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// Flags say how a word is read.
type Flags uint8

const (
	// Unquote has quotes keep separators within a word, and removes them.
	Unquote Flags = 1 << iota
	// Unescape has a backslash begin an escape as in C. Without it, a backslash only
	// takes the byte after it literally.
	Unescape
)

// Causes of a line not being words.
var (
	ErrQuote  = errors.New("quotes are not balanced")
	ErrEscape = errors.New("invalid escape sequence")
)

const (
	separators = " \t\n\r"
	special    = separators + `\` // what ends the plain part of a word
	quotable   = special + "\"'"  // with Unquote
)

// Next returns the first word of s, and what follows it and the separators after it.
// Without a word in s, ok is false. A word may be empty: "".
//
// A word without quotes and backslashes is a part of s: nothing is copied.
func Next(s string, f Flags) (word, rest string, ok bool, err error) {
	s = strings.TrimLeft(s, separators)
	if s == "" {
		return "", "", false, nil
	}
	end := 0
	if f&Unquote != 0 {
		end = strings.IndexAny(s, quotable)
	} else {
		end = strings.IndexAny(s, special)
	}
	if end < 0 {
		return s, "", true, nil
	}
	if strings.IndexByte(separators, s[end]) < 0 {
		return slow(s, end, f)
	}
	return s[:end], strings.TrimLeft(s[end:], separators), true, nil
}

// Fields returns up to n words of s, and what follows them.
func Fields(s string, n int, f Flags) (fields []string, rest string, err error) {
	fields = make([]string, 0, min(n, len(s)))
	for len(fields) < n {
		word, after, ok, err := Next(s, f)
		if err != nil {
			return nil, s, err
		}
		s = after
		if !ok {
			break
		}
		fields = append(fields, word)
	}
	return fields, s, nil
}

// slow reads a word of which the first n bytes are known to be plain. It is the only
// place where a word is copied, which few words need.
func slow(s string, n int, f Flags) (word, rest string, ok bool, err error) {
	b := append(make([]byte, 0, len(s)), s[:n]...)
	var quote byte // that is open, or 0
	for n < len(s) {
		c := s[n]
		n++
		switch {
		case c == '\\':
			var size int
			if b, size, err = escape(b, s[n:], f); err != nil {
				return "", "", false, err
			}
			n += size
		case c == quote:
			quote = 0
		case quote == 0 && f&Unquote != 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && strings.IndexByte(separators, c) >= 0:
			return string(b), strings.TrimLeft(s[n:], separators), true, nil
		default:
			b = append(b, c)
		}
	}
	if quote != 0 {
		return "", "", false, ErrQuote
	}
	return string(b), "", true, nil
}

// escape appends what the bytes after a backslash stand for, and says how many of
// them it took.
func escape(b []byte, s string, f Flags) ([]byte, int, error) {
	if f&Unescape != 0 {
		return unescape(b, s)
	}
	if s == "" {
		return b, 0, ErrEscape
	}
	return append(b, s[0]), 1, nil
}

// CUnescape undoes the C escapes in s, in which quotes and separators mean nothing: it is
// for the rest of a line that Fields leaves.
func CUnescape(s string) (string, error) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, nil
	}
	b := make([]byte, 0, len(s))
	for {
		plain, after, found := strings.Cut(s, `\`)
		b = append(b, plain...)
		if !found {
			return string(b), nil
		}
		var (
			n   int
			err error
		)
		if b, n, err = unescape(b, after); err != nil {
			return "", err
		}
		s = after[n:]
	}
}

// simple are the escapes of one letter, each followed by what it stands for.
const simple = "a\ab\bf\fn\nr\rt\tv\v\\\\\"\"''s "

// unescape appends what one escape stands for, without its backslash, and says how
// many bytes long it is.
func unescape(b []byte, s string) ([]byte, int, error) {
	if s == "" {
		return b, 0, ErrEscape
	}
	for i := 0; i < len(simple); i += 2 {
		if simple[i] == s[0] {
			return append(b, simple[i+1]), 1, nil
		}
	}
	switch s[0] {
	case 'x':
		return number(b, s, 1, 2, 16)
	case 'u':
		return number(b, s, 1, 4, 16)
	case 'U':
		return number(b, s, 1, 8, 16)
	}
	return number(b, s, 0, 3, 8)
}

// number appends the byte, or the character in UTF-8, that has the number of this many
// digits at an offset in s.
func number(b []byte, s string, at, digits int, base uint64) ([]byte, int, error) {
	end := at + digits
	if len(s) < end {
		return b, 0, ErrEscape
	}
	var n uint64
	for i := at; i < end; i++ {
		d := digit(s[i])
		if d >= base {
			return b, 0, ErrEscape
		}
		n = n*base + d
	}
	return encode(b, n, digits >= 4, end)
}

// encode appends a number that an escape of size bytes had.
func encode(b []byte, n uint64, character bool, size int) ([]byte, int, error) {
	switch {
	case n == 0, !character && n > 0xff, size == len("U00000000") && !valid(n):
		return b, 0, ErrEscape
	case !character:
		return append(b, byte(n)), size, nil
	}
	return appendRune(b, uint32(n)), size, nil
}

// valid says whether a number is that of a character.
func valid(n uint64) bool {
	return n <= utf8.MaxRune && utf8.ValidRune(rune(n))
}

// appendRune appends UTF-8, also for halves of surrogate pairs, which \u lets pass and
// utf8.AppendRune would replace.
func appendRune(b []byte, r uint32) []byte {
	if r >= 0xd800 && r < 0xe000 {
		return append(b, 0xe0|byte(r>>12), 0x80|byte(r>>6)&0xbf, 0x80|byte(r)&0xbf)
	}
	return utf8.AppendRune(b, rune(r))
}

// digit returns the value of a hexadecimal digit, or more than any base.
func digit(c byte) uint64 {
	switch {
	case c >= '0' && c <= '9':
		return uint64(c - '0')
	case c >= 'a' && c <= 'f':
		return uint64(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return uint64(c-'A') + 10
	}
	return 255
}

// Assignment returns the value of the last line that sets a key, as a shell reads it and
// os-release(5) has it; "" if there is none.
func Assignment(text, key string) (value string) {
	// In a shell the last assignment counts.
	for line := range strings.Lines(text) {
		name, word, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || name != key {
			continue
		}
		// What is badly quoted is no assignment.
		if plain, _, _, err := Next(word, Unquote); err == nil {
			value = plain
		}
	}
	return value
}

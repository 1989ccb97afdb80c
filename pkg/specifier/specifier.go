// Package specifier replaces %-specifiers in configuration: %m by the machine ID, %%
// by a percent sign.
//
// What a letter stands for is the caller's business. A letter or digit that stands for
// nothing is refused, other bytes after a percent sign are left as they are, with it.
// It needs no privileges.
//
// See tmpfiles.d(5) and sysusers.d(5), "Specifiers".
package specifier

import (
	"errors"
	"fmt"
	"strings"
)

// Lookup returns what the specifier with this letter stands for.
type Lookup func(letter byte) (value string, err error)

var (
	// ErrUnknown says that there is no such specifier: the line is invalid.
	ErrUnknown = errors.New("unknown specifier")
	// ErrUnresolved says that a specifier has no value on this system, as the machine
	// ID before there is one: the line is skipped.
	ErrUnresolved = errors.New("specifier has no value here")
)

// Expand replaces the specifiers in s. Without any, s itself is returned.
func Expand(s string, lookup Lookup) (string, error) {
	plain, after, found := strings.Cut(s, "%")
	if !found {
		return s, nil
	}
	b := append(make([]byte, 0, len(s)+64), plain...)
	for found {
		var err error
		if b, err = expand(b, after, lookup); err != nil {
			return "", err
		}
		// What stood after the percent sign is dealt with, also another one.
		if after != "" {
			after = after[1:]
		}
		plain, after, found = strings.Cut(after, "%")
		b = append(b, plain...)
	}
	return string(b), nil
}

// expand appends what the byte that begins s, after a percent sign, stands for.
func expand(b []byte, s string, lookup Lookup) ([]byte, error) {
	if s == "" || s[0] == '%' {
		return append(b, '%'), nil
	}
	if !alphanumeric(s[0]) {
		return append(b, '%', s[0]), nil
	}
	value, err := lookup(s[0])
	if err != nil {
		return b, fmt.Errorf("expand %%%c: %w", s[0], err)
	}
	return append(b, value...), nil
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

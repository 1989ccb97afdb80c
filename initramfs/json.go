package main

import (
	"slices"
	"strconv"
	"unicode/utf8"
)

// The record is written by hand: encoding/json would make the init larger by a
// twelfth, and slower to load, for the sake of one small file.

// field is a member of a JSON object.
type field struct {
	key   string
	value any // string, int, float64, bool, []string, []field, [][]field
}

// appendJSON appends a value, indented for people.
func appendJSON(b []byte, value any, indent string) []byte {
	switch v := value.(type) {
	case string:
		return appendString(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case float64:
		return strconv.AppendFloat(b, v, 'f', -1, 64)
	case bool:
		return strconv.AppendBool(b, v)
	case []string:
		return appendList(b, '[', ']', len(v), indent, func(b []byte, i int, inner string) []byte {
			return appendString(b, v[i])
		})
	case [][]field:
		return appendList(b, '[', ']', len(v), indent, func(b []byte, i int, inner string) []byte {
			return appendJSON(b, v[i], inner)
		})
	case []field:
		return appendList(b, '{', '}', len(v), indent, func(b []byte, i int, inner string) []byte {
			b = append(appendString(b, v[i].key), ": "...)
			return appendJSON(b, v[i].value, inner)
		})
	}
	return append(b, "null"...)
}

func appendList(b []byte, open, end byte, n int, indent string,
	item func(b []byte, i int, inner string) []byte) []byte {
	b = append(b, open)
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, "\n  "+indent...)
		b = item(b, i, indent+"  ")
	}
	if n > 0 {
		b = append(b, "\n"+indent...)
	}
	return append(b, end)
}

// appendString quotes as RFC 8259 wants it. A name from a disk may be no UTF-8:
// each byte that is none becomes U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ' || r == 0x7f:
			b = append(b, `\u00`...)
			b = append(b, hexDigits[r>>4], hexDigits[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

const hexDigits = "0123456789abcdef"

// compact leaves out the fields that say nothing.
func compact(fields []field) []field {
	return slices.DeleteFunc(fields, func(f field) bool { return f.value == "" || f.value == nil })
}

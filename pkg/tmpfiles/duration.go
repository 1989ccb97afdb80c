package tmpfiles

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// blank is what may be around numbers and units.
const blank = " \t\n\r"

// errRange says that a time span has no place in 64 bits of microseconds.
var errRange = errors.New("time span is too long")

// ParseDuration reads a time span as of systemd.time(7): "1h 30min", "2weeks", "5", which
// is in seconds, or "infinity". What is longer than a time.Duration can say, almost 300
// years, is Forever as well.
func ParseDuration(s string) (time.Duration, error) {
	rest := strings.TrimLeft(s, blank)
	if strings.TrimRight(rest, blank) == "infinity" {
		return Forever, nil
	}
	if rest == "" {
		return 0, fmt.Errorf("invalid time span %q", s)
	}
	var total uint64
	for rest != "" {
		usec, after, err := term(rest)
		if err != nil {
			return 0, fmt.Errorf("invalid time span %q: %w", s, err)
		}
		var over uint64
		if total, over = bits.Add64(total, usec, 0); over != 0 || total == math.MaxUint64 {
			return 0, fmt.Errorf("invalid time span %q: %w", s, errRange)
		}
		rest = strings.TrimLeft(after, blank)
	}
	// Ages are compared with those of files, of which none is that old.
	if total > uint64(Forever/time.Microsecond) {
		return Forever, nil
	}
	return time.Duration(total) * time.Microsecond, nil
}

// term reads the first number and unit of s, in microseconds. A number without a unit may
// only be followed by a blank: "1.2.3" is no sum.
func term(s string) (usec uint64, rest string, err error) {
	whole, rest := digits(strings.TrimPrefix(s, "+"))
	if whole == "" && s[0] != '.' {
		return 0, s, errors.New("not a number")
	}
	fraction, after, decimal := "", "", strings.HasPrefix(rest, ".")
	if decimal {
		if fraction, after = digits(rest[1:]); fraction == "" {
			return 0, s, errors.New("no digit after the point")
		}
		rest = after
	}
	unit, after, ok := unit(strings.TrimLeft(rest, blank))
	if !ok && rest != "" && strings.IndexByte(blank, rest[0]) < 0 {
		return 0, s, errors.New("unknown unit")
	}
	usec, err = scale(whole, fraction, unit)
	return usec, after, err
}

// scale returns the microseconds of a decimal number of units. Digits that are less than
// a microsecond are dropped one by one.
func scale(whole, fraction string, unit uint64) (uint64, error) {
	var n uint64
	if whole != "" {
		i, err := strconv.ParseInt(whole, 10, 64)
		if err != nil || uint64(i) >= math.MaxUint64/unit {
			return 0, errRange
		}
		n = uint64(i) * unit
	}
	for i := range len(fraction) {
		unit /= 10
		k := uint64(fraction[i]-'0') * unit
		if k >= math.MaxUint64-n {
			return 0, errRange
		}
		n += k
	}
	return n, nil
}

// digits cuts off the digits that s begins with.
func digits(s string) (digits, rest string) {
	rest = strings.TrimLeft(s, "0123456789")
	return s[:len(s)-len(rest)], rest
}

// The units, of which months and years are average ones.
const (
	second = 1_000_000 // in microseconds
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
	year   = 31_557_600 * second // of 365.25 days
	month  = year / 12
)

// unit returns the microseconds of the unit that s begins with, or of a second. The first
// name that fits is taken, so that the longer ones come first.
func unit(s string) (usec uint64, rest string, ok bool) {
	for _, u := range [...]struct {
		names string
		usec  uint64
	}{
		{"seconds second sec s", second}, {"minutes minute min", minute},
		{"months month M", month}, {"msec ms", 1000}, {"m", minute},
		{"hours hour hr h", hour}, {"days day d", day}, {"weeks week w", 7 * day},
		{"years year y", year}, {"usec us \u03bcs \u00b5s", 1},
	} {
		for name := range strings.FieldsSeq(u.names) {
			if rest, ok := strings.CutPrefix(s, name); ok {
				return u.usec, rest, true
			}
		}
	}
	return second, s, false
}

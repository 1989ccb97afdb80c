package tmpfiles

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"
)

// owners reads user and group. They come before the mode, which depends on whether they
// exist.
func (p *parser) owners(user, group string) error {
	var err error
	if p.User, err = p.owner(user, p.o.User); err != nil {
		return fmt.Errorf("user %q: %w", user, err)
	}
	if p.Group, err = p.owner(group, p.o.Group); err != nil {
		return fmt.Errorf("group %q: %w", group, err)
	}
	return nil
}

// owner reads a user or group. A number is never looked up, and root is 0 even where
// there are no accounts yet, as at the first boot.
func (p *parser) owner(s string, lookup func(string) (uint32, error)) (Owner, error) {
	if unset(s) {
		return Owner{}, nil
	}
	name, ifNew := strings.CutPrefix(s, ":")
	o := Owner{Set: true, Name: name, IfNew: ifNew}
	if o.ID, o.Numeric = parseID(name); o.Numeric {
		return o, nil
	}
	switch {
	case name == "":
		return Owner{}, errors.New("empty name")
	case name == "root":
		o.Numeric = true
		return o, nil
	case lookup == nil:
		return o, nil
	}
	id, err := lookup(name)
	if p.o.Graceful && errors.Is(err, fs.ErrNotExist) {
		p.orphan = true
		return Owner{}, nil
	}
	o.ID, o.Numeric = id, true
	return o, err
}

// parseID reads the number of a user or group. The two that mean "none" to the kernel
// are taken for names.
func parseID(s string) (uint32, bool) {
	if s == "" || s[0] < '0' || s[0] > '9' || s[0] == '0' && s != "0" {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil && n != math.MaxUint16 && n != math.MaxUint32
}

// mode reads the access mode. Of a line whose owner does not exist no special bit is
// used: they would give the rights of another one away.
func (p *parser) mode(s string) error {
	bits := s
	if unset(s) {
		p.Mode.Bits = p.DefaultMode()
		return nil
	}
	for bits != "" && (bits[0] == '~' || bits[0] == ':') {
		p.Mode.Masked = p.Mode.Masked || bits[0] == '~'
		p.Mode.IfNew = p.Mode.IfNew || bits[0] == ':'
		bits = bits[1:]
	}
	n, err := strconv.ParseUint(strings.TrimLeft(bits, " \t\n\r"), 8, 12)
	if err != nil {
		return fmt.Errorf("invalid mode %q", s)
	}
	p.Mode.Set, p.Mode.Bits = true, uint32(n)
	if p.orphan && n > 0o777 {
		p.note("mode %#o is reduced to %#o for want of the owner", n, n&0o777)
		p.Mode.Bits = uint32(n) & 0o777
	}
	return nil
}

// DefaultMode returns the access mode of what a line without one makes. The applier does
// not set it on what exists.
func (l *Line) DefaultMode() uint32 {
	if l.Directory() {
		return 0o755
	}
	return 0o644
}

// age reads "~", which times count, and how old they have to be. Where only files or only
// directories have letters, the defaults count for the others.
func (p *parser) age(s string) error {
	p.Age.Files, p.Age.Dirs = DefaultFiles, DefaultDirs
	if unset(s) {
		return nil
	}
	rest, keep := strings.CutPrefix(s, "~")
	p.Age.Set, p.Age.Keep = true, keep
	if by, after, found := strings.Cut(rest, ":"); found {
		files, dirs, ok := parseTimes(by)
		if !ok {
			return fmt.Errorf("invalid times %q in age %q", by, s)
		}
		rest = after
		if files != 0 {
			p.Age.Files = files
		}
		if dirs != 0 {
			p.Age.Dirs = dirs
		}
	}
	var err error
	if p.Age.For, err = ParseDuration(rest); err != nil {
		return fmt.Errorf("age %q: %w", s, err)
	}
	return nil
}

// parseTimes reads letters: small ones are for files, capital ones for directories. Both
// kinds are in the order of the bits of Times.
func parseTimes(s string) (files, dirs Times, ok bool) {
	const letters = "abcmABCM"
	for i := range len(s) {
		at := strings.IndexByte(letters, s[i])
		switch {
		case strings.IndexByte(" \t\n\r", s[i]) >= 0:
		case at < 0:
			return 0, 0, false
		case at < 4:
			files |= 1 << at
		default:
			dirs |= 1 << (at - 4)
		}
	}
	return files, dirs, files|dirs != 0
}

// parseDevice reads MAJOR:MINOR, of which each may be in the notations of C. The bounds
// are those of the kernel: 12 bits and 20 bits.
func parseDevice(s string) (major, minor uint32, err error) {
	before, after, _ := strings.Cut(s, ":")
	if strings.Trim(before, "0123456789") == "" && before != "" {
		a, err1 := parseC(before, 12)
		b, err2 := parseC(after, 20)
		if err1 == nil && err2 == nil {
			return a, b, nil
		}
	}
	return 0, 0, errors.New("not MAJOR:MINOR of a device")
}

// parseC reads a number as strtoul(3) does, and in the notations 0b and 0o.
func parseC(s string, bits int) (uint32, error) {
	s = strings.TrimLeft(s, " \t\n\r")
	if strings.Contains(s, "_") {
		return 0, strconv.ErrSyntax
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(s, "+"), 0, bits)
	return uint32(n), err
}

// attributeLetters are those of chattr(1) that may be set, with their FS_*_FL flags in
// attributeFlags, as of linux/fs.h.
const attributeLetters = "ASDacdeijsutTCP"

// attributeFlags returns the flag of each letter.
func attributeFlags() [len(attributeLetters)]uint32 {
	return [...]uint32{
		0x80, 0x8, 0x10000, 0x20, 0x4, 0x40, 0x80000, 0x10, 0x4000, 0x1, 0x2, 0x8000,
		0x20000, 0x800000, 0x20000000,
	}
}

// parseAttributes reads letters as of chattr(1), after an optional "+", "-" or "=", of
// which the last clears all attributes that are not named.
func parseAttributes(s string) (Attributes, error) {
	op := byte('+')
	if s != "" && strings.IndexByte("+-=", s[0]) >= 0 {
		op, s = s[0], s[1:]
	}
	if s == "" && op != '=' {
		return Attributes{}, errors.New("no attribute")
	}
	var (
		a     Attributes
		flags = attributeFlags()
	)
	for i := range len(s) {
		at := strings.IndexByte(attributeLetters, s[i])
		if at < 0 {
			return Attributes{}, fmt.Errorf("unknown attribute %q", s[i:i+1])
		}
		a.Mask |= flags[at]
	}
	if op != '-' {
		a.Value = a.Mask
	}
	if op == '=' {
		for _, flag := range flags {
			a.Mask |= flag
		}
	}
	return a, nil
}

package account

import (
	"iter"
	"math"
	"strconv"
	"strings"
)

// space is what isspace(3) holds for white in the C locale.
const space = " \t\n\v\f\r"

// Users yields the entries of passwd. A name that begins with + or - stands for users
// of a directory service (NIS, nss_compat): its ids may be missing and are then 0.
func Users(passwd string) iter.Seq[User] {
	return entries(passwd, func(f *fields) (u User) {
		u.Name = f.text()
		if f.end() && compat(u.Name) {
			return u
		}
		// The shell is the rest of the line, whatever is in it.
		u.Password = f.text()
		u.UID, u.GID = f.id(u.Name), f.id(u.Name)
		u.GECOS, u.Home, u.Shell = f.text(), f.text(), f.rest
		return u
	})
}

// Groups yields the entries of group. For names with + or - see [Users].
func Groups(group string) iter.Seq[Group] {
	return entries(group, func(f *fields) (g Group) {
		g.Name = f.text()
		if f.end() && compat(g.Name) {
			return g
		}
		g.Password = f.text()
		// A group without the field for members has none.
		g.GID = f.id(g.Name)
		g.Members = list(f.rest)
		return g
	})
}

// Shadows yields the entries of shadow.
func Shadows(shadow string) iter.Seq[Shadow] {
	return entries(shadow, func(f *fields) Shadow {
		s := Shadow{Warn: Unset, Inactive: Unset, Expire: Unset, Flag: Unset}
		s.Name = f.text()
		if f.end() && compat(s.Name) {
			return s
		}
		s.Password = f.text()
		// A number that is empty is not set; one that is missing makes the line bad.
		s.Change, s.Min, s.Max = f.days(), f.days(), f.days()
		f.rest = strings.TrimLeft(f.rest, space)
		if f.end() {
			return s // the old form
		}
		s.Warn, s.Inactive, s.Expire = f.days(), f.days(), f.days()
		if !f.end() {
			s.Flag = f.flag()
		}
		return s
	})
}

// GroupShadows yields the entries of gshadow.
func GroupShadows(gshadow string) iter.Seq[GroupShadow] {
	return entries(gshadow, func(f *fields) (g GroupShadow) {
		g.Name = f.text()
		// Nothing but a name is enough for those.
		if f.end() && compat(g.Name) {
			return g
		}
		g.Password = f.text()
		// Neither list has to be there.
		g.Administrators = list(f.text())
		g.Members = list(f.rest)
		return g
	})
}

// compat says that a name stands for accounts of a directory service.
func compat(name string) bool {
	return strings.HasPrefix(name, "+") || strings.HasPrefix(name, "-")
}

// entries yields what parse makes of each line, except of those that it refuses.
func entries[E any](text string, parse func(*fields) E) iter.Seq[E] {
	return func(yield func(E) bool) {
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(line, "\n")
			// To the C library a line ends at a zero byte, and comments may be indented.
			line, _, _ = strings.Cut(line, "\x00")
			line = strings.TrimLeft(line, space)
			if line == "" || line[0] == '#' {
				continue
			}
			// One line that is bad is no reason to lose sight of the others.
			f := fields{rest: line}
			if e := parse(&f); !f.bad && !yield(e) {
				return
			}
		}
	}
}

// fields is a line that is being cut at its colons. What is missing at its end is empty
// text, but no number.
type fields struct {
	rest string
	bad  bool // a number was none
}

// end says that nothing is left: also after a colon at the end of the line.
func (f *fields) end() bool { return f.rest == "" }

// text takes a field as it is.
func (f *fields) text() (field string) {
	field, f.rest, _ = strings.Cut(f.rest, ":")
	return field
}

// id takes a field that has to be there, except for names of compat.
func (f *fields) id(name string) uint32 {
	// Letters are refused by number; no digits at all only here.
	n, digits := f.number(':')
	if !digits && (!compat(name) || f.bad) {
		f.bad = true
	}
	return n
}

// days takes a field that may be empty, but not missing.
func (f *fields) days() int32 {
	n, digits := f.number(':')
	if !digits {
		return Unset
	}
	return int32(n)
}

// flag takes the last field: a colon does not end it.
func (f *fields) flag() int64 {
	n, digits := f.number(0)
	if !digits {
		return Unset
	}
	return int64(n)
}

// number reads what strtoul(3) does. No digits are 0, what needs more than 32 bits is no
// number.
func (f *fields) number(end byte) (n uint32, digits bool) {
	if f.end() {
		f.bad = true
		return 0, false
	}
	// What follows the digits has to be the end of the field.
	wide, rest, digits := leadingNumber(f.rest)
	switch {
	case wide > math.MaxUint32:
		f.bad = true
	case rest == "":
		f.rest = ""
	case end != 0 && rest[0] == end:
		f.rest = rest[1:]
	default:
		f.bad = true
	}
	return uint32(wide), digits
}

// leadingNumber also returns what follows the number. A minus takes a number from 2^64.
func leadingNumber(s string) (n uint64, rest string, digits bool) {
	unsigned := strings.TrimLeft(s, space)
	// strtoul takes a sign, although the numbers have none.
	minus := strings.HasPrefix(unsigned, "-")
	if minus || strings.HasPrefix(unsigned, "+") {
		unsigned = unsigned[1:]
	}
	rest = strings.TrimLeft(unsigned, "0123456789")
	number := unsigned[:len(unsigned)-len(rest)]
	if number == "" {
		return 0, s, false
	}
	// What does not fit into 64 bits is the largest number, which is too large as well.
	n, err := strconv.ParseUint(number, 10, 64)
	if minus && err == nil {
		n = -n
	}
	return n, rest, true
}

// list cuts at commas. Blanks before a member and members without a name go.
func list(s string) (members []string) {
	// Blanks at the end of a member belong to its name.
	for member := range strings.SplitSeq(s, ",") {
		if member = strings.TrimLeft(member, space); member != "" {
			members = append(members, member)
		}
	}
	return members
}

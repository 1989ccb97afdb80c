package sysusers

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxUser is the longest name that fits into utmp.
const maxUser = 31

// errID is for what looks like an id and is none.
var errID = errors.New("no valid id")

// ValidName says whether a name may be given to a user or a group that is made here.
// That is stricter than what may be found in a system.
func ValidName(s string) bool {
	if s == "" || len(s) > maxUser || s[0] == '-' || digit(s[0]) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !digit(c) && !letter(c) && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// digit is for ASCII only, as the names are.
func digit(c byte) bool { return '0' <= c && c <= '9' }

// letter is for ASCII only, too.
func letter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// parseID takes plain decimal numbers only, since what is none may be a name. The ids
// that the kernel and 16-bit interfaces use for "none" are none.
func parseID(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	odd := err != nil || !digit(s[0]) || s[0] == '0' && s != "0"
	if odd || n == 1<<16-1 || n == 1<<32-1 {
		return 0, fmt.Errorf("%q: %w", s, errID)
	}
	return uint32(n), nil
}

// validGECOS says that a string can be a field of passwd: UTF-8 without control
// characters, and without what separates fields.
func validGECOS(s string) bool {
	for _, r := range s {
		if r < ' ' || r == 0x7f || r == ':' || nonCharacter(r) {
			return false
		}
	}
	return utf8.ValidString(s)
}

// nonCharacter says that Unicode keeps a code point for internal use.
func nonCharacter(r rune) bool {
	return 0xfdd0 <= r && r <= 0xfdef || r&0xfffe == 0xfffe
}

// validHome takes a simplified path.
func validHome(s string) bool {
	if !strings.HasPrefix(s, "/") || len(s) > maxPath || !validGECOS(s) {
		return false
	}
	// Double dots are refused, since what they mean depends on links.
	for name := range strings.SplitSeq(s[1:], "/") {
		if name == "." || name == ".." || len(name) > maxName {
			return false
		}
	}
	return !strings.Contains(s, "//")
}

// validShell takes a simplified path. A shell is no directory.
func validShell(s string) bool { return validHome(s) && !strings.HasSuffix(s, "/") }

// simplify removes from a path what does not change where it leads: slashes and dots,
// and double dots above the root. At a name that is too long it stops.
func simplify(path string) string {
	absolute := strings.HasPrefix(path, "/")
	var b strings.Builder
	for rest := path; ; {
		rest = skipDots(rest)
		name, after, _ := strings.Cut(rest, "/")
		// The root is its own parent.
		if absolute && name == ".." && b.Len() == 0 {
			rest = after
			continue
		}
		if name == "" {
			break
		}
		if absolute || b.Len() > 0 {
			b.WriteByte('/')
		}
		if len(name) > maxName {
			b.WriteString(rest)
			break
		}
		b.WriteString(name)
		rest = after
	}
	// If nothing is left it is the directory that the path began in.
	if b.Len() > 0 || path == "" {
		return b.String()
	}
	return map[bool]string{true: "/", false: "."}[absolute]
}

// skipDots passes over slashes and names that are a dot.
func skipDots(path string) string {
	for {
		switch {
		case path == ".":
			return ""
		case strings.HasPrefix(path, "/"):
			path = path[1:]
		case strings.HasPrefix(path, "./"):
			path = path[2:]
		default:
			return path
		}
	}
}

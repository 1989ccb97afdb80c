package tmpfiles

import "strings"

// Match says whether a path fits a pattern of glob(7), as fnmatch(3) does with
// FNM_PATHNAME and FNM_PERIOD in the C locale: byte by byte; neither "*", "?" nor a set
// stands for a slash, nor for a point that begins a name.
func Match(pattern, path string) bool {
	// Component by component, since nothing in a pattern stands for a slash.
	for {
		p, restPattern, more := cutComponent(pattern)
		name, restPath, moreNames := strings.Cut(path, "/")
		if more != moreNames || !matchName(p, name) {
			return false
		}
		if !more {
			return true
		}
		pattern, path = restPattern, restPath
	}
}

// cutComponent cuts a pattern at its first slash. A backslash before it says nothing that
// the slash alone does not; one within a set is a byte that no name has.
func cutComponent(pattern string) (first, rest string, more bool) {
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '/':
			return pattern[:i], pattern[i+1:], true
		case '\\':
			if strings.HasPrefix(pattern[i+1:], "/") {
				return pattern[:i], pattern[i+2:], true
			}
			i++
		case '[':
			if n, _, valid := matchSet(pattern[i+1:], 0); valid {
				i += n
			}
		}
	}
	return pattern, "", false
}

// matchName says whether the name of a file fits a pattern without slashes.
func matchName(pattern, name string) bool {
	if strings.HasPrefix(name, ".") && !literalPoint(pattern) {
		return false
	}
	// When something does not fit, the last star is tried with one byte more. Stars before
	// it need not be tried again: what they could leave to the later ones, the last star
	// can take as well. So the time is at most the product of the lengths.
	var (
		retry     string // the pattern after the last star
		retryName string // what of the name that is compared with next time
		star      bool
	)
	for {
		switch {
		case strings.HasPrefix(pattern, "*"):
			star, retry, retryName = true, pattern[1:], name
			pattern = retry
			continue
		case pattern == "" && name == "":
			return true
		case pattern != "" && name != "":
			if n, ok := matchByte(pattern, name[0]); ok {
				pattern, name = pattern[n:], name[1:]
				continue
			}
		}
		if !star || retryName == "" {
			return false
		}
		retryName = retryName[1:]
		pattern, name = retry, retryName
	}
}

// literalPoint says whether a pattern begins with a point.
func literalPoint(pattern string) bool {
	return strings.HasPrefix(pattern, ".") || strings.HasPrefix(pattern, `\.`)
}

// matchByte matches a byte with the beginning of a pattern, which is n bytes long. That a
// point at the beginning of a name needs one in the pattern was seen to before.
func matchByte(pattern string, c byte) (n int, ok bool) {
	switch pattern[0] {
	case '?':
		return 1, true
	case '\\':
		if len(pattern) == 1 {
			return 0, false
		}
		return 2, pattern[1] == c
	case '[':
		if n, ok, valid := matchSet(pattern[1:], c); valid {
			return n + 1, ok
		}
	}
	return 1, pattern[0] == c
}

// matchSet matches a byte with a set, of which the first bracket is cut off. A set that
// does not end is none: the bracket stands for itself.
func matchSet(set string, c byte) (n int, in, valid bool) {
	rest := set
	negated := rest != "" && (rest[0] == '!' || rest[0] == '^')
	if negated {
		rest = rest[1:]
	}
	for first := true; rest != ""; first = false {
		if rest[0] == ']' && !first {
			return len(set) - len(rest) + 1, in != negated, true
		}
		if class, after, ok := cutClass(rest); ok {
			in, rest = in || inClass(class, c), after
			continue
		}
		var low, high byte
		if low, rest, valid = setByte(rest); !valid {
			break
		}
		high = low
		if len(rest) > 1 && rest[0] == '-' && rest[1] != ']' {
			if high, rest, valid = setByte(rest[1:]); !valid {
				break
			}
		}
		in = in || low <= c && c <= high
	}
	return 0, false, false
}

// setByte reads a byte of a set, which may have a backslash before it, or "[." and ".]"
// around it: the C locale has no collating symbols but bytes.
func setByte(s string) (c byte, rest string, ok bool) {
	switch {
	case len(s) >= 5 && (s[:2] == "[." || s[:2] == "[=") && s[3] == s[1] && s[4] == ']':
		return s[2], s[5:], true
	case s[0] == '\\' && len(s) == 1:
		return 0, "", false
	case s[0] == '\\':
		return s[1], s[2:], true
	}
	return s[0], s[1:], true
}

// cutClass cuts a class of characters, such as [:digit:].
func cutClass(s string) (class, rest string, ok bool) {
	after, ok := strings.CutPrefix(s, "[:")
	if !ok {
		return "", s, false
	}
	return strings.Cut(after, ":]")
}

// inClass says whether a byte is of a class in the C locale. No byte is of a class that
// does not exist.
func inClass(class string, c byte) bool {
	lower, upper := c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z'
	number, graphic := c >= '0' && c <= '9', c > ' ' && c < 0x7f
	switch class {
	case "lower":
		return lower
	case "upper":
		return upper
	case "alpha":
		return lower || upper
	case "digit":
		return number
	case "alnum":
		return lower || upper || number
	case "xdigit":
		return number || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
	case "space":
		return c == ' ' || c >= '\t' && c <= '\r'
	case "blank":
		return c == ' ' || c == '\t'
	case "punct":
		return graphic && !lower && !upper && !number
	case "graph":
		return graphic
	case "print":
		return graphic || c == ' '
	case "cntrl":
		return c < ' ' || c == 0x7f
	}
	return false
}

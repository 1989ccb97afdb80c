package kmod

// Match reports whether the pattern fits the whole of name, as fnmatch(3) without
// flags does in the C locale: "*" is any run of bytes, "?" any one byte, "[a-z]" one
// of a set, "[!a-z]" one not of it, "\" takes the next byte as it is, and "/" is like
// any other byte. Named classes ("[[:digit:]]") do not occur in aliases and are not
// known here.
//
// Only the latest "*" is ever tried again: whatever an earlier one could still take,
// the later one can take as well. So the time is bounded by the product of the two
// lengths, for any pattern.
func Match(pattern, name string) bool {
	p, n := 0, 0
	star, resume := -1, 0 // pattern after the latest "*", and where it ends in name
	for n < len(name) {
		if p < len(pattern) && pattern[p] == '*' {
			p++
			star, resume = p, n
			continue
		}
		if width, ok := matchByte(pattern[p:], name[n]); ok {
			p += width
			n++
			continue
		}
		if star < 0 {
			return false
		}
		resume++
		p, n = star, resume
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// matchByte matches the first element of the pattern, which is not a "*", and
// returns its width in the pattern.
func matchByte(pattern string, c byte) (width int, ok bool) {
	if pattern == "" {
		return 0, false
	}
	switch pattern[0] {
	case '?':
		return 1, true
	case '[':
		return matchSet(pattern, c)
	case '\\':
		return 2, len(pattern) > 1 && pattern[1] == c
	}
	return 1, pattern[0] == c
}

// matchSet matches a bracket expression. One that is never closed is no set: its
// bracket stands for itself.
func matchSet(pattern string, c byte) (width int, ok bool) {
	i := 1
	negate := i < len(pattern) && (pattern[i] == '!' || pattern[i] == '^')
	if negate {
		i++
	}
	found := false
	// A bracket that comes first is a member.
	for first := i; i < len(pattern) && (pattern[i] != ']' || i == first); {
		low, next, ok := setMember(pattern, i)
		if !ok {
			break
		}
		high := low
		i = next
		if i+1 < len(pattern) && pattern[i] == '-' && pattern[i+1] != ']' {
			if high, i, ok = setMember(pattern, i+1); !ok {
				break
			}
		}
		found = found || low <= c && c <= high
	}
	if i >= len(pattern) || pattern[i] != ']' {
		return 1, c == '['
	}
	return i + 1, found != negate
}

// setMember returns the byte at i of a bracket expression, and where the next is.
func setMember(pattern string, i int) (member byte, next int, ok bool) {
	if pattern[i] != '\\' {
		return pattern[i], i + 1, true
	}
	if i+1 == len(pattern) {
		return 0, i + 1, false
	}
	return pattern[i+1], i + 2, true
}

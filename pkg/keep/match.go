package keep

import (
	"path"
	"slices"
	"strings"
)

// deep is the component that stands for any number of directories.
const deep = "**"

// split returns the components of an absolute path, none for the root.
func split(name string) []string {
	name = path.Clean("/" + name)[1:]
	if name == "" {
		return nil
	}
	return strings.Split(name, "/")
}

// covers says whether the pattern matches a path or a directory that it is in.
func (r Rule) covers(path []string) bool {
	return match(append(split(r.Pattern), deep), path)
}

// Matches says whether the pattern matches a path itself.
func (r Rule) Matches(path string) bool { return match(split(r.Pattern), split(path)) }

// Leads says whether a directory may hold what the pattern matches, so that a walk has
// to look into it.
func (r Rule) Leads(dir string) bool {
	pattern, parts := split(r.Pattern), split(dir)
	// Behind "**" anything may lead on; before it, both have to agree.
	if i := slices.Index(pattern, deep); i >= 0 && i <= len(parts) {
		return match(pattern[:i], parts[:i])
	}
	return len(parts) < len(pattern) && match(pattern[:len(parts)], parts)
}

// match compares component by component. When it fails, the last "**" takes one
// component more: that is enough, and takes quadratic time at most, whatever the
// pattern.
func match(pattern, parts []string) bool {
	p, n := 0, 0
	star, taken := -1, 0
	for n < len(parts) {
		switch {
		case p < len(pattern) && pattern[p] == deep:
			star, taken = p, n
			p++
		case p < len(pattern) && matchName(pattern[p], parts[n]):
			p++
			n++
		case star >= 0:
			taken++
			p, n = star+1, taken
		default:
			return false
		}
	}
	return !slices.ContainsFunc(pattern[p:], func(s string) bool { return s != deep })
}

// matchName compares one component. A pattern that is not valid was refused when it
// was read.
func matchName(pattern, name string) bool {
	ok, _ := path.Match(pattern, name)
	return ok
}

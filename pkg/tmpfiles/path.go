package tmpfiles

import (
	"cmp"
	"slices"
	"strings"
)

// clean removes empty components and "." from an absolute path, and ".." at its
// beginning. Other ".." stay, for what is before them may be a symbolic link.
func clean(path string) string {
	if !strings.Contains(path, "//") && !strings.Contains(path, "/.") &&
		(len(path) == 1 || !strings.HasSuffix(path, "/")) {
		return path
	}
	b := make([]byte, 0, len(path))
	for part, rest := component(path); part != ""; part, rest = component(rest) {
		if part != ".." || len(b) > 0 {
			b = append(append(b, '/'), part...)
		}
	}
	if len(b) == 0 {
		return "/"
	}
	return string(b)
}

// component returns the first component of a path that is neither empty nor ".", and
// what follows it.
func component(path string) (part, rest string) {
	for {
		path = strings.TrimLeft(path, "/")
		part, rest, _ = strings.Cut(path, "/")
		if part != "." {
			return part, rest
		}
		path = rest
	}
}

// trimPrefix returns the part of a path below another one: "" if they are the same.
func trimPrefix(path, prefix string) (below string, ok bool) {
	if strings.HasPrefix(path, "/") != strings.HasPrefix(prefix, "/") {
		return "", false
	}
	for part, rest := component(prefix); part != ""; part, rest = component(rest) {
		var own string
		if own, path = component(path); own != part {
			return "", false
		}
	}
	return strings.TrimLeft(path, "/"), true
}

// below says whether a path is below a directory, both of which are clean. Nothing counts
// as being below "/".
func below(path, dir string) bool {
	return len(path) > len(dir) && path[len(dir)] == '/' && path[:len(dir)] == dir
}

// comparePath orders paths so that what is below a directory comes right after it: a
// slash before any other byte.
func comparePath(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] == b[i] {
			continue
		}
		switch {
		case a[i] == '/':
			return -1
		case b[i] == '/':
			return 1
		}
		return cmp.Compare(a[i], b[i])
	}
	return cmp.Compare(len(a), len(b))
}

// compareBool orders false before true.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// included says whether a line for a path is to be used.
func (o *Options) included(path string) bool {
	below := func(prefix string) bool {
		_, ok := trimPrefix(path, prefix)
		return ok
	}
	if slices.ContainsFunc(o.Exclude, below) {
		return false
	}
	return len(o.Prefixes) == 0 || slices.ContainsFunc(o.Prefixes, below)
}

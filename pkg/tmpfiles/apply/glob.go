package apply

import (
	"strings"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/tmpfiles"
)

// each calls do with every path that a pattern fits, as glob(3) with GLOB_BRACE finds
// them. It goes on after an error, and returns the first.
func (a *applier) each(pattern string, do func(path string) error) error {
	alternatives, err := braces(pattern)
	if err != nil {
		return a.fail("expand", pattern, err)
	}
	var first error
	for _, alternative := range alternatives {
		paths, err := a.matches(alternative)
		if err != nil {
			return a.fail("expand", pattern, err)
		}
		for _, path := range paths {
			// Each has reported its own by now.
			if err := do(path); err != nil && first == nil {
				first = err
			}
		}
	}
	return first
}

// matches lists what exists and fits a pattern without braces. The whole list is made
// first: what is done to one may make another one.
func (a *applier) matches(pattern string) ([]string, error) {
	if !strings.ContainsAny(pattern, `*?[\`) {
		if !a.tree.exists(pattern) {
			return nil, nil
		}
		return []string{pattern}, nil
	}
	found := []string{"/"}
	wild := false
	for rest := pattern; rest != ""; {
		var word string
		if word, rest = component(rest); word == "" {
			continue
		}
		wild = wild || strings.ContainsAny(word, "*?[")
		// glob(3) goes by its own ways with a backslash: it looks for the name itself
		// only on the way to the first wildcard.
		escaped := strings.Contains(word, `\`) && (wild || rest == "")
		var next []string
		for _, dir := range found {
			names, err := a.names(dir, word, escaped)
			if err != nil {
				return nil, err
			}
			next = append(next, names...)
		}
		found = next
	}
	return found, nil
}

// names lists the entries of a directory that fit one component of a pattern. What is
// no directory, or cannot be read, has none.
func (a *applier) names(dir, word string, read bool) (found []string, err error) {
	if !read && !strings.ContainsAny(word, "*?[") {
		full := join(dir, unescape(word))
		if !a.tree.exists(full) {
			return nil, nil
		}
		return []string{full}, nil
	}
	n, err := a.tree.open(dir, route{}) // a link to a directory is none here
	if err != nil {
		// So glob(3) does it: a directory that is not there has no entries.
		return nil, nil
	}
	defer n.close()
	fd, err := list(n.fd, ".")
	if err != nil {
		return nil, nil
	}
	defer unix.Close(fd)
	for name, err := range entries(fd) {
		if err != nil {
			return nil, err
		}
		if tmpfiles.Match(word, name) {
			found = append(found, join(dir, name))
		}
	}
	return found, nil
}

// exists says whether there is something at a path, be it a link to nothing.
func (t *tree) exists(path string) bool {
	how := unix.OpenHow{Flags: pathFlags, Resolve: unix.RESOLVE_IN_ROOT}
	fd, err := unix.Openat2(t.root.fd, path, &how)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

package lint

import (
	"io/fs"
	"path"
	"slices"
	"strings"
)

// end is how it ends to follow a path on the booted system.
type end int

const (
	exists  end = iota
	missing     // there is nothing
	loop        // links lead in a circle
	unknown     // it leads to where only a running system has files
)

// maxLinks is how many links the kernel follows.
const maxLinks = 40

// resolve follows a path as it would lead on the booted system, where /etc and /var
// come from the factory and from tmpfiles.d. It also returns where it ended.
func (t *tree) resolve(name string) (string, end) {
	todo := strings.Split(name, "/")
	done := "."                      // resolved
	for links := 0; len(todo) > 0; { // at most maxLinks times the length of a path
		next := path.Join(done, todo[0])
		todo = todo[1:]
		if strings.HasPrefix(next, "..") {
			next = "." // as the kernel has it at the root
		}
		if next == "." {
			done = next
			continue
		}
		target, how := t.step(next)
		if how != exists {
			return next, how
		}
		if target == "" { // not a link
			done = next
			continue
		}
		if links++; links > maxLinks {
			return next, loop
		}
		if path.IsAbs(target) {
			done = "."
		}
		todo = slices.Concat(strings.Split(strings.Trim(target, "/"), "/"), todo)
	}
	return done, exists
}

// step looks at one file whose directory is resolved, and returns the target if it is
// a link. The links beside /usr are not in the image: the init makes them.
func (t *tree) step(name string) (target string, how end) {
	top, _, _ := strings.Cut(name, "/")
	place := name
	switch top {
	case "usr":
	case "etc", "var":
		place = path.Join(factoryDir, name)
	case "bin", "sbin", "lib", "lib32", "lib64", "libx32":
		if name == top {
			return "usr/" + top, exists
		}
	default:
		return "", unknown
	}
	info, err := fs.Lstat(t.fsys, place)
	switch {
	case err != nil:
		return t.makes(name)
	case info.Mode().Type() != fs.ModeSymlink:
		return "", exists
	}
	target, err = fs.ReadLink(t.fsys, place)
	if err != nil {
		return "", missing
	}
	return target, exists
}

// makes looks at what is not in the tree but made at boot. A copy counts as a link to
// what is copied: it has the same below it, and lines that copy each other's copies end
// as links in a circle do.
func (t *tree) makes(name string) (target string, how end) {
	if name == "etc" || name == "var" {
		return "", exists
	}
	if t.mayBeMade(name) {
		return "", unknown
	}
	l, ok := t.made[name]
	switch {
	case !ok:
		return "", missing
	case l.Is("LC"):
		return l.Argument, exists
	}
	return "", exists
}

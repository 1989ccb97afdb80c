package keep

import (
	"io/fs"
	"strings"
)

// Fresh shows a root as it is when the rules for volatile=yes are read: its /etc is that
// of the factory, and nothing has put anything in /run yet. What an administrator wrote
// to a persistent /etc does not count in that mode.
func Fresh(root fs.FS) fs.FS { return fresh{root} }

type fresh struct{ root fs.FS }

// Open opens a file; all else that a reader needs comes by way of it.
func (f fresh) Open(name string) (fs.File, error) {
	switch top, rest, _ := strings.Cut(name, "/"); top {
	case "run":
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case "etc":
		name = "usr/share/factory/etc/" + rest
	}
	return f.root.Open(strings.TrimSuffix(name, "/"))
}

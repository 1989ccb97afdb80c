package apply

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/tmpfiles"
)

// replace makes something beside what exists and renames it over that. Only a directory
// has to be removed first.
func replace(dir int, base string, create func(dir int, name string) error) error {
	temporary, err := temporaryName(base)
	if err != nil {
		return err
	}
	if err := create(dir, temporary); err != nil {
		return err
	}
	err = unix.Renameat(dir, temporary, dir, base)
	if err == nil {
		return nil
	}
	_ = unix.Unlinkat(dir, temporary, 0) // the first error counts
	// A directory gives way to nothing else.
	if err != unix.EISDIR && err != unix.EEXIST && err != unix.ENOTEMPTY {
		return err
	}
	if err := removeAll(dir, base); err != nil {
		return err
	}
	return create(dir, base)
}

// temporaryName is a name that nobody can have taken in advance.
func temporaryName(base string) (string, error) {
	var random [8]byte
	if _, err := unix.Getrandom(random[:], 0); err != nil {
		return "", fmt.Errorf("get random bytes: %w", err)
	}
	suffix := hex.EncodeToString(random[:])
	return ".#" + base[:min(len(base), unix.NAME_MAX-len(suffix)-2)] + suffix, nil
}

// removeAll removes an entry of a directory with all that is in it, but for what is
// mounted there. It goes on after an error, and returns the first.
func removeAll(dir int, name string) error { return removeTree(dir, name, maxDepth) }

// removeTree is removeAll with so many levels to go. Most entries are files: it is
// tried first whether this one is.
func removeTree(dir int, name string, depth int) error {
	err := unix.Unlinkat(dir, name, 0)
	if err != unix.EISDIR && err != unix.EPERM {
		return err
	}
	st, err := statx(dir, name)
	switch {
	case err != nil:
		return err
	case mounted(&st):
		return nil
	case depth == 0:
		return unix.ENAMETOOLONG
	}
	if err := removeEntries(dir, name, depth-1); err != nil {
		return err
	}
	return unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
}

// removeEntries removes what is in a directory. What others removed is gone, too.
func removeEntries(dir int, name string, depth int) error {
	fd, err := list(dir, name)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var first error
	for entry, err := range entries(fd) {
		if err == nil {
			err = removeTree(fd, entry, depth)
		}
		if err != nil && err != unix.ENOENT && first == nil {
			first = err
		}
	}
	return first
}

// clearWay does what = asks for: on the way to a path, directories take the place of
// whatever is none, and what is at its end is removed unless it is of the wanted type;
// 0 wants any.
func (a *applier) clearWay(path string, wanted uint32) error {
	if !normal(path) {
		return a.fail("clear the way to", path, errNotNormal)
	}
	for at := 0; at < len(path); {
		end := len(path)
		if next := strings.IndexByte(path[at+1:], '/'); next >= 0 {
			end = at + 1 + next
		}
		last := end == len(path)
		kind := uint32(unix.S_IFDIR)
		if last {
			kind = wanted
		}
		if err := a.clear(path[:end], kind, !last); err != nil {
			return a.fail("clear the way at", path[:end], err)
		}
		if !last {
			if _, err := a.tree.dir(path[:end], route{true, true, true}); err != nil {
				return a.wayMissing(path[:end], err)
			}
		}
		at = end
	}
	return nil
}

// wayMissing passes over what a dry run has not made.
func (a *applier) wayMissing(path string, err error) error {
	if a.dry() && errors.Is(err, unix.ENOENT) {
		return nil
	}
	return a.fail("open directory", path, err)
}

// clear removes what is of the wrong type. A symbolic link may lead to a directory.
func (a *applier) clear(path string, kind uint32, follow bool) error {
	dir, base, err := a.tree.parent(path, route{safe: true})
	if err != nil {
		return err
	}
	n, err := look(dir.fd, base)
	if err == unix.ENOENT {
		return nil
	}
	if err != nil {
		return err
	}
	defer n.close()
	// The last component is replaced, not entered: whose it is does not matter.
	if follow && !n.isLink() && untrusted(dir, n) {
		return unsafeError(base, dir, n)
	}
	if kind == 0 || n.kind() == kind {
		return nil
	}
	if follow && n.isLink() {
		target, err := a.tree.dir(path, route{safe: true})
		if err == nil && target.isDir() {
			return nil
		}
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return a.removeWrong(path)
}

// removeWrong removes what is in the way, unless something is mounted there.
func (a *applier) removeWrong(path string) error {
	dir, base, err := a.tree.parent(path, route{safe: true})
	if err != nil {
		return err
	}
	st, err := statx(dir.fd, base)
	switch {
	case err != nil:
		return err
	case mounted(&st):
		return unix.EBUSY
	case a.would("remove %s", a.name(path)):
		return nil
	}
	return removeAll(dir.fd, base)
}

// remove does what a line says at removal.
func (a *applier) remove(l *tmpfiles.Line) error {
	switch l.Type {
	case 'D': // the directory itself stays
		return a.empty(l, l.Path, false)
	case 'r':
		return a.each(l.Path, func(path string) error { return a.removeOne(path) })
	case 'R':
		return a.each(l.Path, func(path string) error { return a.empty(l, path, true) })
	}
	return nil
}

// purge removes what a line with $ made.
func (a *applier) purge(l *tmpfiles.Line) error {
	switch {
	case !l.Purge:
		return nil
	case l.Glob():
		return a.each(l.Path, func(path string) error { return a.empty(l, path, true) })
	}
	return a.empty(l, l.Path, true)
}

// removeOne removes a file or an empty directory.
func (a *applier) removeOne(path string) error {
	if a.would("remove %q", a.name(path)) {
		return nil
	}
	dir, base, err := a.tree.parent(path, route{})
	if err == nil {
		err = unlink(dir.fd, base)
	}
	a.tree.forget()
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return a.fail("remove", path, err)
	}
	return nil
}

// unlink removes whatever has a name, if it is not a directory with something in it.
func unlink(dir int, name string) error {
	err := unix.Unlinkat(dir, name, 0)
	if err == unix.EISDIR || err == unix.EPERM {
		err = unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
	}
	return err
}

// empty removes what is below a path and, with self, what is there itself. What other
// lines speak of stays.
func (a *applier) empty(l *tmpfiles.Line, path string, self bool) error {
	s, err := a.openSweep(l, path)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil
	case errors.Is(err, unix.ENOTDIR):
		if self {
			return a.removeOne(path)
		}
		return nil
	case err != nil:
		return a.fail("open directory", path, err)
	}
	// The same walk as for cleaning, so that what other lines speak of, mounts and locks
	// are left alone. Only that nothing is too young.
	err = a.sweepAll(s)
	s.close()
	if err != nil || !self || a.would("remove directory %q", a.name(path)) {
		return err
	}
	dir, base, err := a.tree.parent(path, route{})
	if err == nil {
		err = unix.Unlinkat(dir.fd, base, unix.AT_REMOVEDIR)
	}
	a.tree.forget()
	if err != nil && err != unix.ENOTEMPTY && !errors.Is(err, unix.ENOENT) {
		return a.fail("remove directory", path, err)
	}
	return nil
}

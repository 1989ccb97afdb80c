package apply

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/tmpfiles"
)

// change is what a line does to an inode that exists.
type change func(n node, path string) error

// adjust does what a line says about inodes that exist.
func (a *applier) adjust(l *tmpfiles.Line) error {
	switch l.Type {
	case 'w':
		return a.each(l.Path, func(path string) error { return a.writeFile(l, path) })
	case 'e':
		return a.each(l.Path, func(path string) error {
			return a.adjustDirectory(l, path)
		})
	}
	do := a.changeOf(l)
	if do == nil {
		return nil
	}
	recursive := l.Is("ZTHA")
	return a.each(l.Path, func(path string) error {
		return a.adjustOne(path, do, recursive)
	})
}

// changeOf returns what a line changes: nothing, if it is for removal only.
func (a *applier) changeOf(l *tmpfiles.Line) change {
	switch l.Type {
	case 'z', 'Z':
		return func(n node, path string) error { return a.permissions(l, n, path, true) }
	case 't', 'T':
		xattrs := l.Xattrs()
		return func(n node, path string) error { return a.setXattrs(xattrs, n, path) }
	case 'h', 'H':
		return func(n node, path string) error { return a.setAttributes(l, n, path) }
	case 'a', 'A':
		return a.aclChange(l)
	}
	return nil
}

// adjustOne changes what is at a path. A link there is changed itself.
func (a *applier) adjustOne(path string, do change, recursive bool) error {
	if !recursive && !normal(path) {
		return a.fail("open", path, errNotNormal)
	}
	// systemd trusts the way where it goes down, and so has configuration come to do.
	n, err := a.tree.open(path, route{safe: !recursive})
	if err != nil {
		return a.fail("open", path, err)
	}
	defer n.close()
	if recursive {
		return a.descend(n, path, do, maxDepth)
	}
	return do(n, path)
}

// descend changes an inode and all below it. It goes on after an error, and returns the
// first.
func (a *applier) descend(n node, path string, do change, depth int) error {
	first := do(n, path)
	if !n.isDir() {
		return first
	}
	if depth == 0 {
		return errors.Join(first, a.fail("go down into", path, unix.ENAMETOOLONG))
	}
	fd, err := list(n.fd, ".")
	if err != nil {
		return errors.Join(first, a.fail("open directory", path, err))
	}
	defer unix.Close(fd)
	for name, err := range entries(fd) {
		if err == nil {
			err = a.descendEntry(fd, name, join(path, name), do, depth-1)
		} else {
			err = a.fail("read directory", path, err)
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// descendEntry goes down into an entry, if it is still there.
func (a *applier) descendEntry(
	dir int, name, path string, do change, depth int,
) error {
	n, err := look(dir, name)
	if err == unix.ENOENT {
		return nil
	}
	if err != nil {
		return a.fail("open", path, err)
	}
	defer n.close()
	return a.descend(n, path, do, depth)
}

// adjustDirectory sets the permissions of a directory, for e. A link to one is followed.
func (a *applier) adjustDirectory(l *tmpfiles.Line, path string) error {
	n, err := a.tree.dir(path, route{safe: true})
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil
	case err != nil:
		return a.fail("open directory", path, err)
	case !n.isDir():
		a.notice("adjust directory", path, errors.New("exists and is not a directory"))
		return nil
	}
	return a.permissions(l, n, path, true)
}

// writeFile writes to a file that exists, of whatever kind. It is the one thing that
// follows a symbolic link to what it changes, but not one that somebody else may have put
// there than the owner of what it leads to.
func (a *applier) writeFile(l *tmpfiles.Line, path string) error {
	n, err := a.openWrite(l, path)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return a.fail("open", path, err)
	}
	defer n.close()
	if !a.would("write to %q", a.name(path)) {
		if err := write(n.fd, []byte(l.Argument)); err != nil {
			return a.fail("write", path, err)
		}
	}
	if err := unix.Fstat(n.fd, &n.st); err != nil {
		return a.fail("stat", path, err)
	}
	return a.permissions(l, n, path, true)
}

// openWrite opens what w writes to. A file in a user's directory may be root's: that
// the user put a hard link there is for the kernel to prevent.
func (a *applier) openWrite(l *tmpfiles.Line, path string) (n node, err error) {
	if !normal(path) {
		return node{}, errNotNormal
	}
	dir, base, err := a.tree.parent(path, route{safe: true})
	if err != nil {
		return node{}, err
	}
	target, err := look(dir.fd, base)
	if err != nil {
		return node{}, err
	}
	defer target.close()
	if target.isLink() {
		// Not so what a link leads to.
		led, err := a.tree.dir(path, route{safe: true})
		if err != nil {
			return node{}, err
		}
		return reopenToWrite(led, l, a.dry())
	}
	return reopenToWrite(target, l, a.dry())
}

// reopenToWrite opens a file through its descriptor: the path may lead elsewhere by now.
func reopenToWrite(target node, l *tmpfiles.Line, dry bool) (n node, err error) {
	// Without waiting for who reads a FIFO, and without it becoming our terminal.
	flags := unix.O_WRONLY | unix.O_NONBLOCK | unix.O_NOCTTY
	switch {
	case dry:
		flags = unix.O_PATH
	case target.isDir():
		return node{}, unix.EISDIR
	case l.Append:
		flags |= unix.O_APPEND
	}
	n.fd, err = reopen(target.fd, flags)
	return n, err
}

// setXattrs sets extended attributes.
func (a *applier) setXattrs(xattrs []tmpfiles.Xattr, n node, path string) error {
	for _, x := range xattrs {
		if a.would("set extended attribute %s=%s on %s", x.Name, x.Value, a.name(path)) {
			continue
		}
		err := unix.Setxattr(n.procfs(), x.Name, []byte(x.Value), 0)
		if err != nil {
			return a.fail(fmt.Sprintf("set xattr %q of", x.Name), path, err)
		}
	}
	return nil
}

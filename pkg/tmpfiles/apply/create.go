package apply

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/tmpfiles"
)

// place opens the directory that something is to be made in. For a line with = it is
// there, unless what was in the way was on the way.
func (a *applier) place(l *tmpfiles.Line) (dir node, base string, err error) {
	if !normal(l.Path) {
		return node{}, "", errNotNormal
	}
	return a.tree.parent(l.Path, route{safe: true, make: !l.Force})
}

// makeFlags open a file to write it, and never wait for somebody to read it.
const makeFlags = unix.O_WRONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY |
	unix.O_CLOEXEC

// create does what a line says at creation.
func (a *applier) create(l *tmpfiles.Line) error {
	// First: a directory that is in the way of one line may be what another has made.
	if wanted, ok := wantedType(l); ok && l.Force {
		if err := a.clearWay(l.Path, wanted); err != nil {
			return err
		}
	}
	switch l.Type {
	case 'f':
		return a.createFile(l)
	case 'd', 'D':
		return a.createDirectory(l)
	case 'v', 'q', 'Q':
		return a.createSubvolume(l)
	case 'p':
		return a.createNode(l, unix.S_IFIFO)
	case 'c':
		return a.createNode(l, unix.S_IFCHR)
	case 'b':
		return a.createNode(l, unix.S_IFBLK)
	case 'L':
		return a.createLink(l)
	case 'C':
		return a.copy(l)
	}
	return a.adjust(l)
}

// wantedType is the type of inode that a line makes; 0 for any.
func wantedType(l *tmpfiles.Line) (kind uint32, ok bool) {
	switch l.Type {
	case 'f':
		return unix.S_IFREG, true
	case 'd', 'D', 'v', 'q', 'Q':
		return unix.S_IFDIR, true
	case 'p':
		return unix.S_IFIFO, true
	case 'c':
		return unix.S_IFCHR, true
	case 'b':
		return unix.S_IFBLK, true
	case 'L':
		return unix.S_IFLNK, true
	case 'C':
		return 0, true
	}
	return 0, false
}

// createFile makes a regular file, f, and empties it first if it is f+.
func (a *applier) createFile(l *tmpfiles.Line) error {
	verb := "create file"
	if l.Append {
		verb = "truncate"
	}
	if a.would("%s %s", verb, a.name(l.Path)) {
		return nil
	}
	dir, base, err := a.place(l)
	if err != nil {
		return a.fail("create file", l.Path, err)
	}
	n, existed, err := openFile(dir.fd, base, l)
	if err != nil {
		return a.fail("create file", l.Path, err)
	}
	defer n.close()
	if n.kind() != unix.S_IFREG {
		return a.fail("create file", l.Path,
			fmt.Errorf("not a regular file: %w", unix.EEXIST))
	}
	if !existed || l.Append {
		if err := fillFile(&n, l); err != nil {
			return a.fail("write", l.Path, err)
		}
	}
	return a.permissions(l, n, l.Path, existed)
}

// openFile makes a file or opens the one that exists: to write it if the line is to
// change its content, and else only to look at it.
func openFile(dir int, base string, l *tmpfiles.Line) (n node, existed bool, err error) {
	// O_EXCL also tells who made it, and so whether it gets the argument.
	n.fd, err = openat(dir, base, makeFlags|unix.O_CREAT|unix.O_EXCL, l.Mode.Bits)
	if existed = err == unix.EEXIST; existed {
		flags := pathFlags
		if l.Append {
			flags = makeFlags
		}
		n.fd, err = openat(dir, base, flags, 0)
		if err == unix.EROFS { // it may be empty already
			n.fd, err = openat(dir, base, pathFlags, 0)
		}
	}
	if err != nil {
		return node{}, existed, err
	}
	if err = unix.Fstat(n.fd, &n.st); err != nil {
		n.close()
	}
	return n, existed, err
}

// fillFile empties a file and writes the argument to it.
func fillFile(n *node, l *tmpfiles.Line) error {
	if n.st.Size > 0 {
		if err := unix.Ftruncate(n.fd, 0); err != nil {
			return err
		}
	}
	if err := write(n.fd, []byte(l.Argument)); err != nil {
		return err
	}
	return unix.Fstat(n.fd, &n.st) // writing took set-id bits away
}

// createDirectory makes a directory, d or D.
func (a *applier) createDirectory(l *tmpfiles.Line) error {
	if a.would("create directory %s", a.name(l.Path)) {
		return nil
	}
	dir, base, err := a.place(l)
	if err != nil {
		return a.fail("create directory", l.Path, err)
	}
	// With the mode, and not first without one: nobody may be kept out for a moment.
	return a.finishDirectory(l, dir, base, unix.Mkdirat(dir.fd, base, l.Mode.Bits))
}

// finishDirectory opens the directory that was made, unless that failed since there is
// one, and sets its permissions.
func (a *applier) finishDirectory(
	l *tmpfiles.Line, dir node, base string, made error,
) error {
	n, err := look(dir.fd, base)
	switch {
	case err == unix.ENOTDIR: // not even the directory that it is to be in is one
	case err != nil && made != nil:
		return a.fail("create directory", l.Path, made)
	case err != nil:
		return a.fail("create directory", l.Path, err)
	default:
		defer n.close()
	}
	if err != nil || !n.isDir() {
		a.notice("create directory", l.Path, errors.New("exists and is not a directory"))
		return nil
	}
	return a.permissions(l, n, l.Path, made != nil)
}

// createNode makes a FIFO or a device node.
func (a *applier) createNode(l *tmpfiles.Line, kind uint32) error {
	what := nodeName(kind)
	if a.would("create %s %s", what, a.name(l.Path)) {
		return nil
	}
	device := 0 // which mknod(2) does not look at for a FIFO
	if kind != unix.S_IFIFO {
		device = int(unix.Mkdev(l.Major, l.Minor))
	}
	return a.createLeaf(l, leaf{
		what: what,
		good: func(n node) (bool, error) { return n.kind() == kind, nil },
		make: func(dir int, name string) error {
			return unix.Mknodat(dir, name, l.Mode.Bits|kind, device)
		},
	})
}

// nodeName is what people call it.
func nodeName(kind uint32) string {
	if kind == unix.S_IFIFO {
		return "fifo"
	}
	return "device node"
}

// createLink makes a symbolic link.
func (a *applier) createLink(l *tmpfiles.Line) error {
	if l.IfExists {
		exists, err := a.targetExists(l)
		if err != nil {
			return a.fail("look for the target of", l.Path, err)
		}
		if !exists {
			return nil
		}
	}
	if a.would("create symlink %s -> %s", a.name(l.Path), l.Argument) {
		return nil
	}
	return a.createLeaf(l, leaf{
		what: "symlink",
		good: func(n node) (bool, error) {
			if !n.isLink() {
				return false, nil
			}
			target, err := readlink(n.fd)
			return target == l.Argument, err
		},
		make: func(dir int, name string) error {
			return unix.Symlinkat(l.Argument, dir, name)
		},
	})
}

// targetExists looks for the target of an L? line. systemd takes it from the root, and
// makes the directories for the link in any case.
func (a *applier) targetExists(l *tmpfiles.Line) (bool, error) {
	if !a.dry() {
		_, _, err := a.place(l)
		if errors.Is(err, unix.ENOLINK) { // anything else shows when the link is made
			a.notice("create symlink", l.Path, err)
		}
	}
	n, err := a.tree.open("/"+strings.TrimLeft(l.Argument, "/"), route{safe: true})
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err == nil {
		n.close()
	}
	return true, err
}

// leaf is something that has no content and is made by one call.
type leaf struct {
	what string
	good func(node) (bool, error) // what exists is what is wanted
	make func(dir int, name string) error
}

// createLeaf makes a leaf, or takes the one that exists. Something else in its place is
// left alone, or replaced if the line has a +.
func (a *applier) createLeaf(l *tmpfiles.Line, f leaf) error {
	dir, base, err := a.place(l)
	if err != nil {
		return a.fail("create "+f.what, l.Path, err)
	}
	// Whether or not it could be made: on a read-only file system it may be there.
	made := f.make(dir.fd, base)
	n, err := look(dir.fd, base)
	switch {
	case err != nil && (made == unix.EPERM || made == unix.EACCES) && l.Is("cb"):
		return nil // a container may not make devices, and has those that it needs
	case err != nil && made != nil:
		return a.fail("create "+f.what, l.Path, made)
	case err != nil:
		return a.fail("create "+f.what, l.Path, err)
	}
	good, err := f.good(n)
	if err == nil && good {
		defer n.close()
		return a.permissions(l, n, l.Path, made != nil)
	}
	n.close()
	if err != nil {
		return a.fail("read", l.Path, err)
	}
	if !l.Append {
		if l.Type == 'L' { // people replace links, and know it
			return nil
		}
		a.notice("create "+f.what, l.Path, fmt.Errorf("exists and is not a %s", f.what))
		return nil
	}
	return a.replaceLeaf(l, f, dir, base)
}

// replaceLeaf puts a leaf where something else is.
func (a *applier) replaceLeaf(l *tmpfiles.Line, f leaf, dir node, base string) error {
	// What is there then may be somebody else's again: it is looked at once more.
	err := replace(dir.fd, base, f.make)
	var n node
	if err == nil {
		n, err = look(dir.fd, base)
	}
	if err == nil {
		defer n.close()
		var good bool
		if good, err = f.good(n); err == nil && !good {
			err = errors.New("it is something else again")
		}
	}
	if err != nil {
		a.tree.forget()
		return a.fail("replace with "+f.what, l.Path, err)
	}
	err = a.permissions(l, n, l.Path, false)
	a.tree.forget() // a directory may be gone
	return err
}

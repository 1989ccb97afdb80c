package apply

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/tmpfiles"
)

// copier copies a tree as systemd does for C lines. It is not that of pkg/factory: lines
// may give the copy an owner, a source may be a single file, and of the extended
// attributes only those of users are copied.
type copier struct {
	user, group tmpfiles.Owner
	merge       bool  // also into directories that are not empty
	self        inode // the copy's own top, which the source must not hold
	links       map[inode]*made
}

// made is a copy whose original has more names.
type made struct {
	dir  int // open until the last of them has come
	name string
	left uint64
}

// maxRemembered bounds the directories that are open for names to come.
const maxRemembered = 256

// copy does a C line.
func (a *applier) copy(l *tmpfiles.Line) error {
	if a.would("copy tree %q to %q", a.name(l.Argument), a.name(l.Path)) {
		return nil
	}
	// The directories on the way are made in any case, as systemd does it. The source is
	// looked up in between, and with that the tree forgets where it was.
	if _, _, err := a.place(l); err != nil {
		return a.fail("copy to", l.Path, err)
	}
	from, err := a.tree.open(l.Argument, route{})
	if err != nil {
		return a.fail("open", l.Argument, err)
	}
	defer from.close()
	dir, base, err := a.place(l)
	if err != nil {
		return a.fail("copy to", l.Path, err)
	}
	c := copier{user: l.User, group: l.Group, merge: l.Append}
	copyErr := c.copy(from, dir.fd, base, maxDepth)
	c.close()
	n, err := look(dir.fd, base)
	if err != nil {
		return a.fail("copy to", l.Path, errors.Join(copyErr, err))
	}
	defer n.close()
	if copyErr != nil && !inTheWay(copyErr) {
		// systemd says nothing of it, not even if the disk is full.
		return errors.Join(a.fail("copy to", l.Path, copyErr), a.finishCopy(l, from, n))
	}
	return a.finishCopy(l, from, n)
}

// finishCopy sets the permissions of what is at the path of a C line by now.
func (a *applier) finishCopy(l *tmpfiles.Line, from, n node) error {
	kind := from.kind()
	if from.isLink() { // systemd looks at what it leads to
		target, err := a.tree.dir(l.Argument, route{})
		if err != nil {
			return a.fail("stat", l.Argument, err)
		}
		kind = target.kind()
	}
	if kind != n.kind() {
		return nil
	}
	return a.permissions(l, n, l.Path, false)
}

// copy copies an inode to an entry of a directory. Like systemd, it goes on after an
// error, and returns one.
func (c *copier) copy(from node, dir int, base string, depth int) error {
	if depth == 0 {
		return unix.ENAMETOOLONG
	}
	switch {
	case from.isDir():
		return c.copyDirectory(from, dir, base, depth)
	case c.link(from, dir, base):
		return nil
	}
	var err error
	if from.kind() == unix.S_IFREG {
		err = c.copyFile(from, dir, base)
	} else {
		err = c.copyNode(from, dir, base)
	}
	if err != nil {
		return fmt.Errorf("%q: %w", base, err)
	}
	c.remember(from, dir, base)
	return nil
}

// inTheWay says whether a copy failed only because something exists, which stays.
func inTheWay(err error) bool {
	return errors.Is(err, unix.EEXIST) || errors.Is(err, unix.ENOTDIR) ||
		errors.Is(err, unix.EISDIR) || errors.Is(err, unix.ELOOP)
}

// copyDirectory makes a directory and fills it, or fills one that exists.
func (c *copier) copyDirectory(from node, dir int, base string, depth int) error {
	// Nobody else gets in until it has its owner.
	err := unix.Mkdirat(dir, base, from.st.Mode&0o700)
	existed := err == unix.EEXIST
	if err != nil && !existed {
		return err
	}
	to, err := list(dir, base)
	if err != nil {
		return err
	}
	defer unix.Close(to)
	if c.self == (inode{}) {
		if c.self, err = idOf(to); err != nil {
			return err
		}
	}
	if from.id() == c.self {
		return fmt.Errorf("%q holds its own copy: %w", base, unix.ELOOP)
	}
	// An empty one may be a mount point that was made for this.
	if existed && !c.merge && !isEmpty(to) {
		return unix.EEXIST
	}
	err = c.copyEntries(from, to, depth-1)
	if !existed {
		return errors.Join(err, c.finish(from, to))
	}
	return err
}

// idOf tells an open directory from others.
func idOf(fd int) (inode, error) {
	var st unix.Stat_t
	err := unix.Fstat(fd, &st)
	return node{fd, st}.id(), err
}

// isEmpty says whether a directory has no entries. One that cannot be read has some.
func isEmpty(dir int) bool {
	for range entries(dir) {
		return false
	}
	return true
}

// copyEntries copies what is in a directory, also on other file systems.
func (c *copier) copyEntries(from node, to, depth int) error {
	fd, err := list(from.fd, ".")
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var last error // but that something is in the way counts less
	for name, err := range entries(fd) {
		if err != nil {
			return err
		}
		n, err := look(fd, name)
		if err == nil {
			err = c.copy(n, to, name, depth)
			n.close()
		}
		if err != nil && (last == nil || inTheWay(last)) {
			last = err
		}
	}
	return last
}

// copyFile copies a regular file. One that cannot be filled is removed.
func (c *copier) copyFile(from node, dir int, base string) error {
	in, err := reopen(from.fd, unix.O_RDONLY|unix.O_NOCTTY)
	if err != nil {
		return err
	}
	source := os.NewFile(uintptr(in), base)
	defer source.Close()
	const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW |
		unix.O_CLOEXEC
	out, err := openat(dir, base, flags, from.st.Mode&0o700)
	if err != nil {
		return err
	}
	target := os.NewFile(uintptr(out), base)
	defer target.Close()
	keepNoCow(in, out)
	// Sharing the extents fails on most file systems, and between any two.
	if unix.IoctlFileClone(out, in) != nil {
		if _, err := io.Copy(target, source); err != nil {
			return errors.Join(err, unix.Unlinkat(dir, base, 0))
		}
	}
	return c.finish(from, out)
}

// keepNoCow copies the one flag of a file that has to be set before it is written.
func keepNoCow(in, out int) {
	flags, err := unix.IoctlGetUint32(in, unix.FS_IOC_GETFLAGS)
	if err == nil && flags&noCow != 0 {
		_ = setFlags(out, noCow, noCow) // or it is slower
	}
}

// copyNode makes a symbolic link, FIFO, socket or device node.
func (c *copier) copyNode(from node, dir int, base string) error {
	var err error
	if from.isLink() {
		var target string
		if target, err = readlink(from.fd); err == nil {
			err = unix.Symlinkat(target, dir, base)
		}
	} else {
		mode := from.st.Mode & (unix.S_IFMT | 0o700)
		err = unix.Mknodat(dir, base, mode, int(from.st.Rdev))
	}
	if err != nil {
		return err
	}
	// By its name: somebody may have put something else there.
	to, err := look(dir, base)
	if err != nil {
		return err
	}
	defer to.close()
	if to.kind() != from.kind() {
		return fmt.Errorf("%q: replaced while it was copied", base)
	}
	return c.finish(from, to.fd)
}

// finish gives a copy its owner, mode, extended attributes and times.
func (c *copier) finish(from node, to int) error {
	uid := ownerFor(c.user, from.st.Uid, false)
	gid := ownerFor(c.group, from.st.Gid, false)
	// The owner first: to change it takes set-id bits away. The times last.
	err := unix.Fchownat(to, "", int(uid), int(gid), unix.AT_EMPTY_PATH)
	if !from.isLink() {
		err = errors.Join(err, chmod(to, from.st.Mode&0o7777))
	}
	// Others have no attributes of users.
	if kind := from.kind(); kind == unix.S_IFREG || kind == unix.S_IFDIR {
		copyXattrs(from.fd, to)
	}
	times := []unix.Timespec{from.st.Atim, from.st.Mtim}
	return errors.Join(err, setTimes(to, times))
}

// setTimes sets the times of an inode, also of a symbolic link.
func setTimes(fd int, times []unix.Timespec) error {
	return unix.UtimesNanoAt(unix.AT_FDCWD, procPath(fd), times, 0)
}

// copyXattrs copies the attributes of users, as far as they can be stored.
func copyXattrs(from, to int) {
	buf := make([]byte, 64<<10) // the most that there may be
	n, err := unix.Listxattr(procPath(from), buf)
	if err != nil || n == 0 {
		return
	}
	value := make([]byte, 64<<10)
	for _, name := range bytes.Split(buf[:n], []byte{0}) {
		if !strings.HasPrefix(string(name), "user.") {
			continue
		}
		n, err := unix.Getxattr(procPath(from), string(name), value)
		if err == nil {
			_ = unix.Setxattr(procPath(to), string(name), value[:n], 0)
		}
	}
}

// link makes another name for a copy, if the original has one, too.
func (c *copier) link(from node, dir int, base string) bool {
	other, ok := c.links[from.id()]
	if !ok || unix.Linkat(other.dir, other.name, dir, base, 0) != nil {
		return false
	}
	if other.left--; other.left == 0 {
		unix.Close(other.dir)
		delete(c.links, from.id())
	}
	return true
}

// remember keeps where the copy of an inode with more names is. Those of too many
// become files of their own.
func (c *copier) remember(from node, dir int, base string) {
	if from.st.Nlink < 2 || from.isLink() || len(c.links) == maxRemembered {
		return
	}
	if _, known := c.links[from.id()]; known {
		return
	}
	fd, err := unix.FcntlInt(uintptr(dir), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return
	}
	if c.links == nil {
		c.links = map[inode]*made{}
	}
	c.links[from.id()] = &made{fd, base, uint64(from.st.Nlink) - 1}
}

// close gives up the names that have not come: they are outside of the tree.
func (c *copier) close() {
	for _, m := range c.links {
		unix.Close(m.dir)
	}
}

package instance

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// fixed are the flags of chattr(1) that keep a file as it is. They count as content:
// who sets one does not want the vendor's next version.
const fixed = unix.STATX_ATTR_IMMUTABLE | unix.STATX_ATTR_APPEND

// inode is a file of any kind that is only referred to.
type inode struct {
	fd int
	st unix.Statx_t
}

// openInode opens a path beneath a directory, also a symbolic link itself.
func openInode(dir *os.File, name string) (*inode, error) {
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	}
	fd, err := unix.Openat2(int(dir.Fd()), name, &how)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", path.Join(dir.Name(), name), err)
	}
	i := &inode{fd: fd}
	err = unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS, &i.st)
	if err != nil {
		i.close()
		return nil, fmt.Errorf("stat %q: %w", path.Join(dir.Name(), name), err)
	}
	return i, nil
}

// close lets go of the inode.
func (i *inode) close() { unix.Close(i.fd) }

func (i *inode) kind() uint16 { return i.st.Mode & unix.S_IFMT }

// proc is a path that leads to the inode itself, even to a symbolic link.
func (i *inode) proc() string { return "/proc/self/fd/" + strconv.Itoa(i.fd) }

// open opens the content of a regular file: of this very inode, not of what has its name
// by now. Reading leaves no access time behind.
func (i *inode) open() (*os.File, error) {
	fd, err := unix.Open(i.proc(), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOATIME, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), i.proc()), nil
}

// The largest list of attributes and the largest value that Linux has.
const maxXattr = 64 << 10

// comparer compares inodes, a buffer for each side.
type comparer struct{ a, b []byte }

// same says whether two inodes have the same type, owner, mode, extended attributes
// and content. Times do not count, nor does the content of a directory. What is cheap
// comes first: most files that differ do so in their size.
func (c *comparer) same(x, y *inode) (bool, error) {
	if !sameStat(&x.st, &y.st) {
		return false, nil
	}
	if c.a == nil {
		c.a, c.b = make([]byte, maxXattr), make([]byte, maxXattr)
	}
	same, err := true, error(nil)
	switch x.kind() {
	case unix.S_IFREG:
		same, err = c.sameContent(x, y)
	case unix.S_IFLNK:
		same, err = c.sameTarget(x, y)
	}
	if !same || err != nil {
		return false, err
	}
	return c.sameXattrs(x, y)
}

// sameStat compares what one call tells. The size of a directory means nothing.
func sameStat(a, b *unix.Statx_t) bool {
	return a.Mode == b.Mode && a.Uid == b.Uid && a.Gid == b.Gid &&
		a.Rdev_major == b.Rdev_major && a.Rdev_minor == b.Rdev_minor &&
		(a.Size == b.Size || a.Mode&unix.S_IFMT == unix.S_IFDIR) &&
		(a.Attributes^b.Attributes)&fixed == 0
}

// sameContent compares two files of one size, a buffer at a time. An unchanged file
// shares its extents with the factory: its bytes are read from the disk once.
func (c *comparer) sameContent(x, y *inode) (bool, error) {
	if x.st.Size == 0 {
		return true, nil
	}
	f, err := x.open()
	if err != nil {
		return false, err
	}
	defer f.Close()
	g, err := y.open()
	if err != nil {
		return false, err
	}
	defer g.Close()
	for {
		n, err := io.ReadFull(f, c.a)
		m, err2 := io.ReadFull(g, c.b)
		switch {
		case !bytes.Equal(c.a[:n], c.b[:m]):
			return false, nil
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			return err2 == err, nil
		case err != nil:
			return false, err
		case err2 != nil:
			return false, err2
		}
	}
}

// sameTarget compares where two symbolic links point to, as text.
func (c *comparer) sameTarget(x, y *inode) (bool, error) {
	n, err := unix.Readlinkat(x.fd, "", c.a)
	if err != nil {
		return false, err
	}
	m, err := unix.Readlinkat(y.fd, "", c.b)
	return err == nil && bytes.Equal(c.a[:n], c.b[:m]), err
}

// sameXattrs compares names and values. Most files have none.
func (c *comparer) sameXattrs(x, y *inode) (bool, error) {
	names, err := xattrs(x, c.a)
	if err != nil {
		return false, err
	}
	others, err := xattrs(y, c.b)
	if err != nil || !slices.Equal(names, others) {
		return false, err
	}
	for _, name := range names {
		n, err := unix.Getxattr(x.proc(), name, c.a)
		if err != nil {
			return false, err
		}
		m, err := unix.Getxattr(y.proc(), name, c.b)
		if err != nil || !bytes.Equal(c.a[:n], c.b[:m]) {
			return false, err
		}
	}
	return true, nil
}

// xattrs returns the names of the extended attributes that count, sorted, for the order
// in which the kernel lists them is that of a hash. The SELinux label is for the policy
// to set: it differs between /usr and /etc for every file.
func xattrs(i *inode, buf []byte) ([]string, error) {
	n, err := unix.Listxattr(i.proc(), buf)
	if err == unix.EOPNOTSUPP || n == 0 && err == nil {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list xattrs: %w", err)
	}
	names := strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00")
	slices.Sort(names)
	return slices.DeleteFunc(names, func(s string) bool {
		return s == "security.selinux"
	}), nil
}

package factory

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// makeNode creates a symbolic link, FIFO, socket or device node.
func (l *leaf) makeNode(buf []byte) error {
	if l.st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return l.makeLink(l.src.fd, "", buf)
	}
	mode := l.st.Mode & (unix.S_IFMT | 0o777)
	return unix.Mknodat(l.dir.dst, l.name, mode, int(l.st.Rdev))
}

// makeLink creates the symbolic link that is found at name below the directory
// dir, or is dir itself.
func (l *leaf) makeLink(dir int, name string, buf []byte) error {
	n, err := unix.Readlinkat(dir, name, buf)
	if err != nil {
		return fmt.Errorf("read link: %w", err)
	}
	return unix.Symlinkat(string(buf[:n]), l.dir.dst, l.name)
}

// openNode opens what makeNode created. By its name: in a directory that
// others may write to, they may have put something else there. Ours is of that
// type, owned by us, and has no other name outside.
func (w *worker) openNode(l *leaf) (int, error) {
	fd, err := openat(l.dir.dst, l.name, pathFlags, 0)
	if err == unix.ENOENT {
		return -1, errReplaced
	}
	if err != nil || l.dir.made {
		return fd, err
	}
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	if err == nil && (st.Mode^l.st.Mode)&unix.S_IFMT == 0 &&
		st.Uid == w.fresh.uid && st.Nlink == 1 {
		return fd, nil
	}
	closeFD(fd)
	if err == nil {
		err = errReplaced
	}
	return -1, err
}

// plainLink copies a symbolic link by its name alone, with half the calls that
// opening both sides takes: an /etc has hundreds. It returns false, with
// nothing done, where that is not safe or not enough: where others may swap the
// link, and where it has extended attributes or more names.
func (w *worker) plainLink(l *leaf) (bool, error) {
	if !l.dir.made {
		return false, nil
	}
	err := unix.Fstatat(l.dir.src, l.name, &l.st, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return false, fmt.Errorf("stat: %w", err)
	}
	if l.st.Mode&unix.S_IFMT != unix.S_IFLNK || l.st.Nlink > 1 {
		return false, nil
	}
	path := handle{fd: l.dir.src}.proc() + "/" + l.name
	n, err := unix.Llistxattr(path, nil)
	if n > 0 || err != nil && err != unix.EOPNOTSUPP {
		return false, nil
	}
	if err := l.makeLink(l.dir.src, l.name, w.buf); err != nil {
		return false, fmt.Errorf("create: %w", err)
	}
	if err := w.finishLink(l); err != nil {
		_ = unix.Unlinkat(l.dir.dst, l.name, 0) // the first error counts
		return false, err
	}
	w.Others++
	return true, nil
}

// finishLink sets the owner and the times of a plain link.
func (w *worker) finishLink(l *leaf) error {
	if l.st.Uid != w.fresh.uid || l.st.Gid != w.fresh.gid {
		err := unix.Fchownat(l.dir.dst, l.name, int(l.st.Uid), int(l.st.Gid),
			unix.AT_SYMLINK_NOFOLLOW)
		if err != nil {
			return fmt.Errorf("set owner: %w", err)
		}
	}
	if err := setTimes(l.dir.dst, l.name, l.st.Atim, l.st.Mtim); err != nil {
		return fmt.Errorf("set times: %w", err)
	}
	return nil
}

package factory

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/units"
)

// leaf is an entry that is no directory.
type leaf struct {
	dir  *dir
	name string
	src  handle
	st   unix.Stat_t
}

// Flags for the source. A file that became a FIFO since its directory was read
// must not block, and reading must not write access times to the factory. All
// but regular files are only referred to: opening a device does things.
const (
	fileFlags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_CLOEXEC |
		unix.O_NONBLOCK | unix.O_NOATIME
	pathFlags = unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC
)

// leaf copies an entry that is no directory.
func (w *worker) leaf(d *dir, e dirent) error {
	l := &leaf{dir: d, name: e.name}
	err := w.copyLeaf(l, e.kind)
	switch {
	case err == nil:
		return nil
	case l.isFile():
		return fmt.Errorf("copy %s (%s): %w", d.label(e.name), units.Bytes(l.st.Size), err)
	}
	return d.fail(e.name, err)
}

func (l *leaf) isFile() bool { return l.st.Mode&unix.S_IFMT == unix.S_IFREG }

func (w *worker) copyLeaf(l *leaf, kind byte) error {
	if kind == unix.DT_LNK {
		if done, err := w.plainLink(l); done || err != nil {
			return err
		}
	}
	flags := fileFlags
	if kind != unix.DT_REG {
		flags = pathFlags
	}
	fd, err := openat(l.dir.src, l.name, flags, 0)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer closeFD(fd)
	l.src = handle{fd: fd, pathOnly: kind != unix.DT_REG}
	if err := unix.Fstat(fd, &l.st); err != nil {
		return fmt.Errorf("stat: %w", err)
	}
	// The flags to open it were chosen by its type.
	if byte(l.st.Mode&unix.S_IFMT>>12) != kind {
		return errors.New("replaced while the factory was read")
	}
	if l.st.Nlink > 1 {
		return w.linkOrCreate(l)
	}
	_, err = w.create(l)
	return err
}

// create makes the copy of l. It returns the zero id when the name exists.
func (w *worker) create(l *leaf) (fileID, error) {
	h, err := w.make(l)
	if err != nil {
		return fileID{}, w.leaveAlone(l.dir, l.name, l.st.Mode&unix.S_IFMT, err)
	}
	defer closeFD(h.fd)
	id, err := w.fill(l, h)
	if err != nil {
		l.discard(h)
		return fileID{}, err
	}
	return id, nil
}

// make creates the name of l, empty and with a mode that opens it to nobody
// whom the final one keeps out.
func (w *worker) make(l *leaf) (handle, error) {
	h := handle{pathOnly: !l.isFile()}
	var err error
	if l.isFile() {
		// With the final mode, which saves a chmod; the set-id bits come
		// when owner and content are right.
		const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL |
			unix.O_NOFOLLOW | unix.O_CLOEXEC
		h.fd, err = openat(l.dir.dst, l.name, flags, l.st.Mode&0o777)
	} else if err = l.makeNode(w.buf); err == nil {
		h.fd, err = w.openNode(l)
	}
	switch {
	case err == nil:
		return h, nil
	case errors.Is(err, unix.EEXIST):
		return h, errOccupied
	}
	return h, fmt.Errorf("create: %w", err)
}

// fill gives the new inode its content and attributes.
func (w *worker) fill(l *leaf, h handle) (fileID, error) {
	have := w.fresh
	have.mode = permOf(&l.st).mode & 0o777 &^ w.umask
	if !l.dir.made {
		// It may have inherited a group and an ACL.
		err := h.dropACLs()
		if err == nil {
			have, err = h.perm()
		}
		if err != nil {
			return fileID{}, err
		}
	}
	if l.isFile() {
		// First: writing would take the capabilities away again.
		if err := w.content(h.fd, l); err != nil {
			return fileID{}, err
		}
	}
	if err := w.setAttributes(h, l.src, &l.st, have); err != nil {
		return fileID{}, err
	}
	return w.account(l, h)
}

// account counts the new inode, and identifies it if it gets more names.
func (w *worker) account(l *leaf, h handle) (fileID, error) {
	var st unix.Stat_t
	if l.st.Nlink > 1 {
		if err := unix.Fstat(h.fd, &st); err != nil {
			return fileID{}, fmt.Errorf("stat copy: %w", err)
		}
	}
	if l.isFile() {
		w.Files++
		w.Bytes += l.st.Size
	} else {
		w.Others++
	}
	return idOf(&st), nil
}

// discard removes the copy that failed, so that half a file is not taken for
// the whole, unless somebody else has the name by now.
func (l *leaf) discard(h handle) {
	var ours, named unix.Stat_t
	if unix.Fstat(h.fd, &ours) != nil {
		return
	}
	err := unix.Fstatat(l.dir.dst, l.name, &named, unix.AT_SYMLINK_NOFOLLOW)
	if err == nil && idOf(&ours) == idOf(&named) {
		_ = unix.Unlinkat(l.dir.dst, l.name, 0) // the first error counts
	}
}

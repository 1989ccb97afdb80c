package factory

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// maxDepth bounds the directories open at once: two per level and worker.
const maxDepth = 500

// dirFlags opens a directory, and nothing that stands in its place.
const dirFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// dir is a directory of the factory with its counterpart on the target.
type dir struct {
	parent   *dir // nil at the top
	name     string
	depth    int
	src, dst int
	st       unix.Stat_t // of src, before anything was read
	fs       *targetFS

	// made says that this copy made dst. Until it is full, nobody but root
	// gets in: nothing in it can be swapped, and what is created in it
	// inherits nothing. An existing directory promises neither.
	made bool
}

// targetFS is what was learnt about one file system of the target.
type targetFS struct {
	top     fileID      // the directory where the copy entered it
	noClone atomic.Bool // it shares no extents with the factory
}

func (d *dir) close() {
	closeFD(d.src)
	closeFD(d.dst)
}

// path is the path of an entry of d, below the top.
func (d *dir) path(name string) string {
	parts := []string{name} // one join: 500 long names make 128 kB
	for ; d.parent != nil; d = d.parent {
		parts = append(parts, d.name)
	}
	slices.Reverse(parts)
	return strings.Join(parts, "/")
}

// label is the path for people: names from disk are quoted, and 500 of them
// do not fit on a screen.
func (d *dir) label(name string) string {
	const most = 256
	path := d.path(name)
	if len(path) > most {
		path = path[:most/2] + "..." + path[len(path)-most/2:]
	}
	return fmt.Sprintf("%q", path)
}

// fail says which entry of d could not be copied.
func (d *dir) fail(name string, err error) error {
	return fmt.Errorf("copy %s: %w", d.label(name), err)
}

// open opens the directory name on both sides, and makes it where it does not
// exist. It returns nil when something else is in its place.
func (w *worker) open(parent *dir, name string) (*dir, error) {
	d := &dir{parent: parent, name: name, depth: parent.depth + 1, fs: parent.fs}
	if d.depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d directories", maxDepth)
	}
	var err error
	d.src, err = openat(parent.src, name, dirFlags|unix.O_NOATIME, 0)
	if err != nil {
		return nil, fmt.Errorf("open directory: %w", err)
	}
	if err = w.openTarget(d); err != nil {
		closeFD(d.src)
		return nil, w.leaveAlone(parent, name, unix.S_IFDIR, err)
	}
	return d, nil
}

// openTarget opens or makes the counterpart of d.
func (w *worker) openTarget(d *dir) error {
	if err := unix.Fstat(d.src, &d.st); err != nil {
		return fmt.Errorf("stat directory: %w", err)
	}
	if idOf(&d.st) == w.self {
		return errors.New("the target lies in the factory")
	}
	// Made first, opened then: the other way round takes a call more for each
	// directory that is missing, and most are.
	err := unix.Mkdirat(d.parent.dst, d.name, 0o700)
	if err != nil && err != unix.EEXIST {
		return fmt.Errorf("make directory: %w", err)
	}
	d.made = err == nil
	d.dst, err = openat(d.parent.dst, d.name, dirFlags, 0)
	switch {
	case err == unix.ENOTDIR || err == unix.ELOOP || err == unix.ENOENT:
		if d.made {
			return errReplaced
		}
		return errOccupied
	case err != nil:
		return fmt.Errorf("open target: %w", err)
	}
	if err = w.enter(d); err != nil {
		closeFD(d.dst)
	}
	return err
}

// enter prepares the target's directory for its content.
func (w *worker) enter(d *dir) error {
	switch {
	case !d.made:
		return w.enterExisting(d)
	case !d.parent.made:
		return w.claim(d)
	}
	w.Dirs++
	return nil
}

// enterExisting looks whether another file system is mounted there.
func (c *copier) enterExisting(d *dir) error {
	var st unix.Stat_t
	if err := unix.Fstat(d.dst, &st); err != nil {
		return fmt.Errorf("stat target: %w", err)
	}
	if d.fs == nil || d.fs.top.dev != uint64(st.Dev) {
		d.fs = &targetFS{top: idOf(&st)}
	}
	return nil
}

// claim makes a directory ours alone that was made in one that others may
// write to: it may have been swapped already, and have inherited a group or
// an ACL.
func (w *worker) claim(d *dir) error {
	h := handle{fd: d.dst}
	if err := h.dropACLs(); err != nil {
		return err
	}
	have, err := h.perm()
	if err != nil {
		return err
	}
	if have.uid != w.fresh.uid || have.mode&0o077 != 0 {
		return errReplaced
	}
	want := perm{w.fresh.uid, w.fresh.gid, 0o700}
	if err := h.setPerm(want, have); err != nil {
		return err
	}
	w.Dirs++
	return nil
}

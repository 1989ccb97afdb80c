package instance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/factory"
	"github.com/freshroot/freshroot/pkg/merge"
	"github.com/freshroot/freshroot/pkg/rootfs"
)

// mover takes single entries, with all below, from one tree into another one that
// nobody uses yet. They are copied to a scratch directory first, since a copy keeps
// its name, and what it should replace would be left alone. Directories are opened
// anew for each path: a /etc is too small for it to matter.
type mover struct{ from, to, scratch *os.File }

// newMover makes the scratch directory, in the target: a rename does not leave a
// subvolume.
func newMover(from, to *os.File) (*mover, error) {
	if err := removeAll(to, scratchName); err != nil {
		return nil, err
	}
	scratch, err := makeDir(to, scratchName)
	return &mover{from, to, scratch}, err
}

// close removes the scratch directory.
func (m *mover) close() error {
	m.scratch.Close()
	return removeAll(m.to, scratchName)
}

// do does what the merge has decided.
func (m *mover) do(a merge.Action) error {
	switch a.Op {
	case merge.Create, merge.Replace, merge.Beside:
		return m.take(a.Path, a.Target())
	case merge.Remove, merge.Drop:
		return m.remove(a.Target())
	case merge.Attributes:
		return m.attributes(a.Path)
	}
	return nil // of people; it stays
}

// take copies a path to another one, in the place of what is there. That is removed
// first, whatever type it has: the tree is a copy that nobody uses, and it is given up as
// a whole if something fails.
func (m *mover) take(name, as string) error {
	src, err := rootfs.OpenDir(m.from, path.Dir(name))
	if err != nil {
		return err
	}
	defer src.Close()
	only := path.Base(name)
	_, err = factory.Copy(m.scratch, src, factory.Options{
		Workers: 1, Skip: func(n string) bool { return n != only }})
	if err != nil {
		return err
	}
	dst, err := rootfs.OpenDir(m.to, path.Dir(as))
	if err != nil {
		return err
	}
	defer dst.Close()
	if err := removeAll(dst, path.Base(as)); err != nil {
		return err
	}
	return renameat(m.scratch, only, dst, path.Base(as), unix.RENAME_NOREPLACE)
}

// remove deletes a path with all below.
func (m *mover) remove(name string) error {
	dir, err := rootfs.OpenDir(m.to, path.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	return removeAll(dir, path.Base(name))
}

// attributes gives a directory the owner, the mode and the attributes of the other,
// and no others.
func (m *mover) attributes(name string) error {
	dst, err := rootfs.OpenDir(m.to, name)
	if err != nil {
		return err
	}
	defer dst.Close()
	src, err := rootfs.OpenDir(m.from, name)
	if err != nil {
		return err
	}
	defer src.Close()
	if err := removeXattrs(dst); err != nil {
		return err
	}
	return factory.CopyAttributes(dst, src)
}

// removeXattrs removes what copying attributes would only add to, such as an ACL.
func removeXattrs(dir *os.File) error {
	names, err := xattrs(&inode{fd: int(dir.Fd())}, make([]byte, maxXattr))
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := unix.Fremovexattr(int(dir.Fd()), name); err != nil {
			return fmt.Errorf("remove xattr %q of %s: %w", name, dir.Name(), err)
		}
	}
	return nil
}

// carry takes the paths below a directory that are kept. A path that the other tree has
// and this one has not is left there: it is not known whether somebody deleted it or it
// never was.
func (m *mover) carry(name string, kept func(string) bool) error {
	dir, err := rootfs.OpenDir(m.from, name)
	if err != nil {
		return err
	}
	defer dir.Close()
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return fmt.Errorf("list %q: %w", dir.Name(), err)
	}
	for _, e := range entries {
		below := path.Join(name, e.Name())
		switch {
		case kept(below):
			if err = m.makeDirs(name); err == nil {
				err = m.take(below, below)
			}
		case e.IsDir():
			err = m.carry(below, kept)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// makeDirs makes a directory and those above as they are in the other tree. What is in
// their place gives way: it is less than what is kept. Those that are there stay, with
// the owner and the mode that they have.
func (m *mover) makeDirs(name string) error {
	for i, c := range name + "/" {
		if c != '/' {
			continue
		}
		dir, err := rootfs.OpenDir(m.to, name[:i])
		switch {
		case err == nil:
			err = dir.Close()
		case errors.Is(err, fs.ErrNotExist), notDirectory(err):
			err = m.makeOne(name[:i])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// makeOne makes a directory whose parent is there.
func (m *mover) makeOne(name string) error {
	if err := m.remove(name); err != nil {
		return err
	}
	parent, err := rootfs.OpenDir(m.to, path.Dir(name))
	if err != nil {
		return err
	}
	defer parent.Close()
	made, err := makeDir(parent, path.Base(name))
	if err != nil {
		return err
	}
	made.Close()
	return m.attributes(name)
}

// copyAll copies a tree with the attributes of its top. Flags of chattr(1) are lost,
// which a snapshot would have kept.
func copyAll(dst, src *os.File) error {
	if _, err := factory.Copy(dst, src, factory.Options{}); err != nil {
		return err
	}
	return factory.CopyAttributes(dst, src)
}

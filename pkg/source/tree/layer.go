package tree

import (
	"errors"
	"fmt"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// NextLayer begins one more layer: Hide and Clear spare what it has made itself, in
// whichever order its entries come.
func (b *Builder) NextLayer() { b.made = map[slot]struct{}{} }

// Hide removes what the layers below have under a name, if they have.
func (b *Builder) Hide(name string) error {
	name, err := Clean(name)
	if err != nil || leftOut(name) || name == "." || b.made == nil {
		return err
	}
	parent, err := b.find(path.Dir(name))
	if err == nil {
		err = b.prune(parent.fd, parent.id, path.Base(name))
	}
	return b.hidden("remove", name, err)
}

// Clear removes what the layers below have in a directory.
func (b *Builder) Clear(name string) error {
	name, err := Clean(name)
	if err != nil || leftOut(name) || b.made == nil {
		return err
	}
	dir, err := b.find(name)
	if err == nil {
		err = b.pruneAll(dir.fd, ".", dir.id)
	}
	return b.hidden("clear", name, err)
}

// hidden words the error of a removal. What is not there needs none.
func (b *Builder) hidden(op, name string, err error) error {
	b.forget()
	if err == nil || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	return fmt.Errorf("%s %q: %w", op, short(name), err)
}

// prune removes what was not made by the present layer. A directory that holds what it
// made stays.
func (b *Builder) prune(at int, dir fileID, base string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(at, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	_, made := b.made[slot{dir, base}]
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		if made {
			return nil
		}
		return unix.Unlinkat(at, base, 0)
	}
	d := b.dirs[idOf(&st)]
	if err := b.pruneAll(at, base, idOf(&st)); err != nil || made || d != nil && d.given {
		return err
	}
	if err := unix.Unlinkat(at, base, unix.AT_REMOVEDIR); err != unix.ENOTEMPTY {
		return err
	}
	return nil
}

// pruneAll prunes what a directory holds.
func (b *Builder) pruneAll(at int, base string, id fileID) error {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(at, base, flags, 0)
	if err != nil {
		return err
	}
	dir := os.NewFile(uintptr(fd), base)
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := b.prune(fd, id, name); err != nil {
			return err
		}
	}
	return nil
}

// remove makes room for another entry.
func (b *Builder) remove(parent place, base string) error {
	path := procPath(parent.fd, base)
	defer b.forget() // it could be what is removed
	return os.RemoveAll(path)
}

package tree

import (
	"fmt"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"
)

// Finish gives the directories their attributes. Nothing can be made after it.
func (b *Builder) Finish() error {
	b.forget()
	for id, d := range b.dirs {
		if d.attrs == nil {
			continue
		}
		if err := b.finish(id, d); err != nil {
			return err
		}
	}
	return nil
}

// finish completes a directory, if it is still there.
func (b *Builder) finish(id fileID, d *directory) error {
	name := d.path()
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	}
	fd, err := unix.Openat2(b.root, name, &how)
	if err == unix.ENOENT || err == unix.ENOTDIR || err == unix.ELOOP {
		return nil // removed, or replaced
	}
	if err != nil {
		return fmt.Errorf("open directory %q: %w", short(name), err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("stat directory %q: %w", short(name), err)
	}
	if idOf(&st) != id {
		return nil // another one
	}
	if err := b.complete(fd, ".", d.attrs); err != nil {
		return fmt.Errorf("complete directory %q: %w", short(name), err)
	}
	return nil
}

// path is where a directory is, with no symbolic link on the way.
func (d *directory) path() string {
	parts := []string{"."}
	for ; d.parent != nil; d = d.parent {
		parts = append(parts, d.base)
	}
	slices.Reverse(parts[1:])
	return path.Join(parts...)
}

// complete gives an inode its attributes. The order matters: a change of owner takes
// set-id bits and capabilities away, an ACL sets the bits of the group, and all of it
// changes the times.
func (b *Builder) complete(at int, base string, a *Attributes) error {
	err := unix.Fchownat(at, base, int(a.UID), int(a.GID), unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return fmt.Errorf("set owner %d:%d: %w", a.UID, a.GID, err)
	}
	for name, value := range a.Xattrs {
		if err := b.setXattr(procPath(at, base), name, value); err != nil {
			return err
		}
	}
	if err := chmod(at, base, a.Mode); err != nil {
		return fmt.Errorf("set mode %o: %w", a.Mode, err)
	}
	times := []unix.Timespec{a.Atime, a.Mtime}
	if err := unix.UtimesNanoAt(at, base, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("set times: %w", err)
	}
	return nil
}

// chmod sets the mode of anything but a symbolic link, which has none.
func chmod(at int, base string, mode uint32) error {
	var st unix.Stat_t
	err := unix.Fstatat(at, base, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil || st.Mode&unix.S_IFMT == unix.S_IFLNK || st.Mode&0o7777 == mode {
		return err
	}
	return unix.Fchmodat(at, base, mode, 0)
}

// setXattr sets an extended attribute of the inode itself, also of a symbolic link.
func (b *Builder) setXattr(path, name, value string) error {
	switch err := unix.Lsetxattr(path, name, []byte(value), 0); err {
	case nil:
		return nil
	case unix.EOPNOTSUPP:
		b.LostXattrs++
		return nil
	default:
		return fmt.Errorf("set xattr %q: %w", short(name), err)
	}
}

// KeepTimes does something in a directory, which has the same times after it.
func KeepTimes(dir *os.File, do func() error) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		return fmt.Errorf("stat %q: %w", dir.Name(), err)
	}
	if err := do(); err != nil {
		return err
	}
	times := []unix.Timespec{st.Atim, st.Mtim}
	if err := unix.UtimesNanoAt(int(dir.Fd()), "", times, unix.AT_EMPTY_PATH); err != nil {
		return fmt.Errorf("set times of %q: %w", dir.Name(), err)
	}
	return nil
}

package tree

import (
	"errors"
	"fmt"
	"io"
	"path"

	"golang.org/x/sys/unix"
)

// Dir makes a directory, or gives new attributes to one that exists.
func (b *Builder) Dir(name string, a Attributes) error {
	name, err := Clean(name)
	if err != nil || leftOut(name) {
		return err
	}
	if name == "." {
		return b.revise(b.root, name, &a)
	}
	return b.create(name, func(parent place, base string) error {
		err := b.mkdir(parent, base, &a)
		if err != unix.EEXIST {
			return err
		}
		b.mark(parent, base)
		return b.revise(parent.fd, base, &a)
	})
}

// revise changes the attributes that a directory will have. EEXIST says that something
// else has its name.
func (b *Builder) revise(at int, base string, a *Attributes) error {
	var st unix.Stat_t
	if err := unix.Fstatat(at, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("stat: %w", err)
	}
	d := b.dirs[idOf(&st)]
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || d == nil {
		return unix.EEXIST
	}
	return b.promise(d, a)
}

// File makes a regular file of size bytes of r. Blocks of zeros become holes.
func (b *Builder) File(name string, a Attributes, size int64, r io.Reader) error {
	return b.leaf(name, &a, func(parent place, base string) error {
		const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
		fd, err := unix.Openat(parent.fd, base, flags, 0o600)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		b.Files++
		b.Bytes += size
		return b.content(fd, size, r)
	})
}

// Symlink makes a symbolic link. Its target may be anything.
func (b *Builder) Symlink(name, target string, a Attributes) error {
	return b.leaf(name, &a, func(parent place, base string) error {
		b.Others++
		return unix.Symlinkat(target, parent.fd, base)
	})
}

// Fifo makes a named pipe.
func (b *Builder) Fifo(name string, a Attributes) error {
	return b.leaf(name, &a, func(parent place, base string) error {
		b.Others++
		return unix.Mkfifoat(parent.fd, base, 0o600)
	})
}

// Device makes a device node of a kind (unix.S_IFCHR or S_IFBLK), or refuses it.
func (b *Builder) Device(name string, a Attributes, kind uint32, device uint64) error {
	if !b.Devices {
		return refuseDevice(name)
	}
	return b.leaf(name, &a, func(parent place, base string) error {
		b.Others++
		return unix.Mknodat(parent.fd, base, kind|0o600, int(device))
	})
}

// refuseDevice refuses a device node, except where it is left out.
func refuseDevice(name string) error {
	name, err := Clean(name)
	if err != nil || leftOut(name) {
		return err
	}
	return fmt.Errorf("%q is a device node outside of dev: remove it, or unpack the archive yourself "+
		"and use the directory", short(name))
}

// Link makes one more name of a file that was made before.
func (b *Builder) Link(name, target string) error {
	name, err := Clean(name)
	if err != nil || leftOut(name) {
		return err
	}
	clean, err := Clean(target)
	if err != nil {
		return fmt.Errorf("hard link %q: %w", short(name), err)
	}
	fd, err := b.openLinked(clean)
	if err != nil {
		return fmt.Errorf("hard link %q to %q: %w", short(name), short(target), err)
	}
	defer unix.Close(fd)
	if b.same(name, fd) {
		return nil
	}
	return b.create(name, func(parent place, base string) error {
		err := unix.Linkat(fd, "", parent.fd, base, unix.AT_EMPTY_PATH)
		if err != nil {
			return err
		}
		b.Links++
		b.mark(parent, base)
		return nil
	})
}

// openLinked refers to the file that a hard link is one more name of.
func (b *Builder) openLinked(name string) (int, error) {
	parent, err := b.find(path.Dir(name))
	if err != nil {
		return -1, err
	}
	return unix.Openat(parent.fd, path.Base(name), unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
}

// same says whether a name leads to an open inode already: to make room for the link
// would then take its target away.
func (b *Builder) same(name string, fd int) bool {
	var want, have unix.Stat_t
	parent, err := b.find(path.Dir(name))
	if err != nil || unix.Fstat(fd, &want) != nil {
		return false
	}
	err = unix.Fstatat(parent.fd, path.Base(name), &have, unix.AT_SYMLINK_NOFOLLOW)
	return err == nil && idOf(&want) == idOf(&have)
}

// leaf makes anything but a directory, and completes it.
func (b *Builder) leaf(name string, a *Attributes, make func(place, string) error) error {
	name, err := Clean(name)
	if err != nil || leftOut(name) {
		return err
	}
	return b.create(name, func(parent place, base string) error {
		if err := make(parent, base); err != nil {
			return err
		}
		b.mark(parent, base)
		return b.complete(parent.fd, base, a)
	})
}

// create makes the last component of a name. What exists in its place is removed.
func (b *Builder) create(name string, make func(parent place, base string) error) error {
	if len(b.made) > maxMade {
		return fmt.Errorf("a layer with more than %d entries", maxMade)
	}
	if name == "." {
		return errors.New("something else than a directory is at the top")
	}
	parent, err := b.reach(path.Dir(name))
	if err != nil {
		return err
	}
	err = make(parent, path.Base(name))
	if err == unix.EEXIST {
		if err = b.remove(parent, path.Base(name)); err == nil {
			parent, err = b.reach(path.Dir(name))
		}
		if err == nil {
			err = make(parent, path.Base(name))
		}
	}
	if err != nil {
		return fmt.Errorf("create %q: %w", short(name), err)
	}
	return nil
}

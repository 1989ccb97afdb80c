package apply

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/sendstream"
	"github.com/freshroot/freshroot/pkg/source/tree"
)

// mkfile makes an empty file, which later commands fill.
func (a *receiver) mkfile(c *sendstream.Command) error {
	a.Files++
	return a.create(c.Path)
}

// create makes an empty file that is nobody else's until it gets its owner.
func (a *receiver) create(name string) error {
	const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	return a.at(name, func(dir int, base string) error {
		fd, err := unix.Openat(dir, base, flags, 0o600)
		if err == nil {
			err = unix.Close(fd)
		}
		return err
	})
}

// mkdir makes a directory. Commands give it its mode before all that is in it is there, so
// that anyone who gets to the tree would see it: the caller's directory keeps them out.
func (a *receiver) mkdir(c *sendstream.Command) error {
	a.Dirs++
	return a.at(c.Path, func(dir int, base string) error { return unix.Mkdirat(dir, base, 0o700) })
}

// mknod makes an empty file in the place of a device node: under which name it will end is
// not known yet.
func (a *receiver) mknod(c *sendstream.Command) error {
	if len(a.devices) >= maxDevices {
		return fmt.Errorf("more than %d device nodes", maxDevices)
	}
	if err := a.create(c.Path); err != nil {
		return err
	}
	fd, err := a.openAt(c.Path, unix.O_PATH)
	if err == nil {
		a.devices = append(a.devices, fd)
	}
	return err
}

func (a *receiver) mkfifo(c *sendstream.Command) error { return a.node(c, unix.S_IFIFO) }
func (a *receiver) mksock(c *sendstream.Command) error { return a.node(c, unix.S_IFSOCK) }

// node makes what has neither content nor a device.
func (a *receiver) node(c *sendstream.Command, kind uint32) error {
	a.Others++
	return a.at(c.Path, func(dir int, base string) error {
		return unix.Mknodat(dir, base, kind|0o600, 0)
	})
}

// symlink makes a symbolic link. It may lead anywhere, for no path is resolved through it.
func (a *receiver) symlink(c *sendstream.Command) error {
	a.Others++
	return a.at(c.Path, func(dir int, base string) error { return unix.Symlinkat(c.To, dir, base) })
}

// rename moves an entry, and replaces what is there, as the sender's renames did.
func (a *receiver) rename(c *sendstream.Command) error {
	a.forget() // what is open may have another path now
	return a.at(c.Path, func(from int, old string) error {
		return a.at(c.To, func(to int, base string) error {
			return unix.Renameat(from, old, to, base)
		})
	})
}

// link makes one more name of a file, or of a symbolic link itself.
func (a *receiver) link(c *sendstream.Command) error {
	a.Links++
	return a.at(c.To, func(from int, old string) error {
		return a.at(c.Path, func(dir int, base string) error {
			return unix.Linkat(from, old, dir, base, 0)
		})
	})
}

// unlink removes a name; full streams have it for names that were needed for a while.
func (a *receiver) unlink(c *sendstream.Command) error {
	a.forget()
	return a.at(c.Path, func(dir int, base string) error { return unix.Unlinkat(dir, base, 0) })
}

// rmdir removes an empty directory.
func (a *receiver) rmdir(c *sendstream.Command) error {
	a.forget()
	return a.at(c.Path, func(dir int, base string) error {
		return unix.Unlinkat(dir, base, unix.AT_REMOVEDIR)
	})
}

// finish removes what no source has, and refuses the device nodes that are left.
func (a *receiver) finish() error {
	for _, name := range tree.MountPoints {
		if err := a.empty(name); err != nil {
			return fmt.Errorf("remove what is in %q: %w", name, err)
		}
	}
	for _, fd := range a.devices {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil || st.Nlink > 0 {
			name, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)) // for people alone
			return fmt.Errorf("%.256q is a device node outside of dev: remove it, and send again", name)
		}
	}
	return nil
}

// empty removes what a directory holds, and leaves its times as they are.
func (a *receiver) empty(name string) error {
	fd, err := a.openAt(name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err == unix.ENOENT || err == unix.ENOTDIR || err == unix.ELOOP {
		return nil
	}
	if err != nil {
		return err
	}
	dir := os.NewFile(uintptr(fd), name)
	defer dir.Close()
	return tree.KeepTimes(dir, func() error {
		names, err := dir.Readdirnames(-1)
		for _, base := range names {
			err = errors.Join(err, os.RemoveAll(procPath(fd, base)))
		}
		return err
	})
}

package apply

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/tmpfiles"
)

// Flags of inodes from linux/fs.h that are not like the others.
const (
	dirSync = 0x00010000 // FS_DIRSYNC_FL, of directories only
	noCow   = 0x00800000 // FS_NOCOW_FL, of files that are empty so far
)

// setAttributes sets the flags that chattr(1) sets.
func (a *applier) setAttributes(l *tmpfiles.Line, n node, path string) error {
	if n.kind() != unix.S_IFREG && !n.isDir() {
		// Of a device, the driver would get the call.
		return a.fail("set attributes of", path,
			fmt.Errorf("neither a regular file nor a directory: %w", unix.EINVAL))
	}
	// The kernel refuses the flag for a file, and the line may be for a whole tree.
	value := l.Attributes.Value
	if !n.isDir() {
		value &^= dirSync
	}
	if a.would("set file attributes 0x%08x on %s", value&l.Attributes.Mask, a.name(path)) {
		return nil
	}
	// It is a file or directory: opening it does nothing else.
	fd, err := reopen(n.fd, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOATIME)
	if err != nil {
		return a.fail("open", path, err)
	}
	defer unix.Close(fd)
	// File systems have few of them. systemd does not call that a failure, and neither
	// do its tests.
	if err := setFlags(fd, value, l.Attributes.Mask); err != nil && !unsupported(err) {
		a.notice("set attributes of", path, err)
	}
	return nil
}

// setFlags sets those flags that are in the mask: together, and where that does not work
// each by itself.
func setFlags(fd int, value, mask uint32) error {
	have, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
	if err != nil {
		return err
	}
	want := have&^mask | value&mask
	if want == have {
		return nil
	}
	if err = putFlags(fd, want); err == nil {
		// btrfs may say yes and do nothing.
		have, err = unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
		if err != nil || have == want {
			return err
		}
		err = unix.EINVAL
	}
	if err != unix.EINVAL && !unsupported(err) {
		return err
	}
	return setEachFlag(fd, have, want, mask)
}

// setEachFlag sets the flags that differ one by one: some exclude each other, and some
// are unknown to a file system that has the others.
func setEachFlag(fd int, have, want, mask uint32) error {
	var refused error
	for bit := uint32(1); bit != 0; bit <<= 1 {
		if mask&bit == 0 || have&bit == want&bit {
			continue
		}
		if err := putFlags(fd, have&^bit|want&bit); err != nil {
			if err != unix.EINVAL && !unsupported(err) {
				return err
			}
			refused = err
			continue
		}
		var err error
		if have, err = unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS); err != nil {
			return err
		}
	}
	if have == want {
		return nil
	}
	if refused == nil {
		refused = unix.EINVAL
	}
	return fmt.Errorf("have 0x%08x, want 0x%08x: %w", have, want, refused)
}

// putFlags replaces all flags.
func putFlags(fd int, flags uint32) error {
	return unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(flags))
}

// unsupported knows the ways to say that a file system has no such thing.
func unsupported(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOTTY) ||
		errors.Is(err, unix.ENOSYS)
}

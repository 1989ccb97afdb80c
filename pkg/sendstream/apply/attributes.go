package apply

import (
	"fmt"
	"math"
	"time"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/sendstream"
)

// chown sets the owner. The kernel then takes set-id bits and capabilities away, which is
// why the stream has those later.
func (a *receiver) chown(c *sendstream.Command) error {
	if max(c.UID, c.GID) >= math.MaxUint32 { // which means "leave it" to chown(2)
		return fmt.Errorf("owner %d:%d: Linux has none above %d",
			c.UID, c.GID, uint32(math.MaxUint32-1))
	}
	return a.at(c.Path, func(dir int, base string) error {
		return unix.Fchownat(dir, base, int(c.UID), int(c.GID), unix.AT_SYMLINK_NOFOLLOW)
	})
}

// chmod sets the mode of anything but a symbolic link, which has none.
func (a *receiver) chmod(c *sendstream.Command) error {
	// fchmodat(2) would follow a link; what is behind /proc is the inode itself.
	fd, err := a.openAt(c.Path, unix.O_PATH)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Chmod(fmt.Sprintf("/proc/self/fd/%d", fd), uint32(c.Mode&0o7777))
}

// utimes sets the times that can be set. The last change (ctime) is always that of now.
func (a *receiver) utimes(c *sendstream.Command) error {
	atime, err := unix.TimeToTimespec(time.Unix(c.Atime.Sec, int64(c.Atime.Nsec)))
	if err != nil {
		return err
	}
	mtime, err := unix.TimeToTimespec(time.Unix(c.Mtime.Sec, int64(c.Mtime.Nsec)))
	if err != nil {
		return err
	}
	times := []unix.Timespec{atime, mtime}
	return a.at(c.Path, func(dir int, base string) error {
		return unix.UtimesNanoAt(dir, base, times, unix.AT_SYMLINK_NOFOLLOW)
	})
}

// setXattr sets an extended attribute, ACLs and capabilities among them.
func (a *receiver) setXattr(c *sendstream.Command) error {
	return a.at(c.Path, func(dir int, base string) error {
		err := unix.Lsetxattr(procPath(dir, base), c.Xattr, c.Data, 0)
		if err == unix.EOPNOTSUPP {
			a.LostXattrs++
			return nil
		}
		return err
	})
}

// removeXattr removes an extended attribute.
func (a *receiver) removeXattr(c *sendstream.Command) error {
	return a.at(c.Path, func(dir int, base string) error {
		err := unix.Lremovexattr(procPath(dir, base), c.Xattr)
		if err == unix.EOPNOTSUPP || err == unix.ENODATA {
			return nil // it was never set
		}
		return err
	})
}

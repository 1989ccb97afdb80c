package apply

import (
	"iter"
	"strconv"

	"golang.org/x/sys/unix"
)

// procPath is a path that leads to an open inode itself, even to a symbolic link, for
// calls that do not take an O_PATH descriptor.
func procPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// retry repeats a call that a signal of Go's scheduler interrupted.
func retry(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// openat is interrupted on slow file systems, such as those in user space.
func openat(dir int, name string, flags int, mode uint32) (fd int, err error) {
	err = retry(func() error {
		fd, err = unix.Openat(dir, name, flags, mode)
		return err
	})
	return fd, err
}

// reopen opens an inode that is open as O_PATH in another way.
func reopen(fd, flags int) (int, error) {
	return openat(unix.AT_FDCWD, procPath(fd), flags|unix.O_CLOEXEC, 0)
}

// list opens a directory to read it, without a new access time if that can be had.
func list(dir int, name string) (int, error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_NONBLOCK |
		unix.O_CLOEXEC
	fd, err := openat(dir, name, flags|unix.O_NOATIME, 0)
	if err == unix.EPERM || err == unix.EACCES {
		fd, err = openat(dir, name, flags, 0)
	}
	return fd, err
}

// entries reads the names in an open directory, a buffer at a time.
func entries(dir int) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		buf := make([]byte, 8<<10)
		var names []string
		for {
			var n int
			err := retry(func() (err error) {
				n, err = unix.ReadDirent(dir, buf)
				return err
			})
			if err != nil {
				yield("", err)
			}
			if err != nil || n == 0 {
				return
			}
			// Without "." and "..".
			_, _, names = unix.ParseDirent(buf[:n], -1, names[:0])
			for _, name := range names {
				if !yield(name, nil) {
					return
				}
			}
		}
	}
}

// write writes all of it.
func write(fd int, b []byte) error {
	for len(b) > 0 {
		var n int
		err := retry(func() (err error) {
			n, err = unix.Write(fd, b)
			return err
		})
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// chmod sets the mode of an inode that is open as O_PATH.
func chmod(fd int, mode uint32) error {
	err := unix.Fchmodat(fd, "", mode, unix.AT_EMPTY_PATH)
	if err == unix.EOPNOTSUPP { // fchmodat2 came with Linux 6.6
		err = unix.Chmod(procPath(fd), mode)
	}
	return err
}

// statx tells the times of an entry, and whether it is a mount point.
func statx(dir int, name string) (st unix.Statx_t, err error) {
	const mask = unix.STATX_BASIC_STATS | unix.STATX_BTIME
	err = unix.Statx(dir, name, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, mask, &st)
	return st, err
}

// mounted says whether something is mounted there.
func mounted(st *unix.Statx_t) bool {
	return st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
}

package factory

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls that every file needs go to the kernel without telling Go's
// scheduler (the functions of x/sys do tell). With one CPU it takes the
// processor away from a call that lasts longer than about 20 us, and hands it
// back through a futex: on an emulated CPU that doubles the time of the copy.
//
// The price: while such a call waits for a disk, its processor runs no other
// goroutine. So only calls that wait for nothing else are made like this.

func openat(dir int, name string, flags int, mode uint32) (int, error) {
	fd, err := plainOpenat(dir, name, flags, mode)
	if err == unix.EPERM && flags&unix.O_NOATIME != 0 {
		// Access times of others' files are theirs to keep: root's, in a user namespace.
		return plainOpenat(dir, name, flags&^unix.O_NOATIME, mode)
	}
	return fd, err
}

func plainOpenat(dir int, name string, flags int, mode uint32) (int, error) {
	path, err := unix.BytePtrFromString(name)
	if err != nil {
		return -1, err
	}
	fd, _, errno := unix.RawSyscall6(unix.SYS_OPENAT, uintptr(dir),
		uintptr(unsafe.Pointer(path)), uintptr(flags), uintptr(mode), 0, 0)
	return result(fd, errno)
}

// closeFD has no result: what close(2) could report, no local file system does.
func closeFD(fd int) {
	_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
}

func read(fd int, buf []byte) (int, error)  { return transfer(unix.SYS_READ, fd, buf) }
func write(fd int, buf []byte) (int, error) { return transfer(unix.SYS_WRITE, fd, buf) }

func flistxattr(fd int, buf []byte) (int, error) {
	return transfer(unix.SYS_FLISTXATTR, fd, buf)
}

// transfer is a call that takes a descriptor and a buffer, which is not empty.
func transfer(trap uintptr, fd int, buf []byte) (int, error) {
	n, _, errno := unix.RawSyscall(trap, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(len(buf)))
	return result(n, errno)
}

// setTimes sets the times of the inode at name below the directory fd, or of fd
// itself, even if that is only referred to.
func setTimes(fd int, name string, atime, mtime unix.Timespec) error {
	path, err := unix.BytePtrFromString(name)
	if err != nil {
		return err
	}
	times := [2]unix.Timespec{atime, mtime}
	_, _, errno := unix.RawSyscall6(unix.SYS_UTIMENSAT, uintptr(fd),
		uintptr(unsafe.Pointer(path)), uintptr(unsafe.Pointer(&times)),
		unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW, 0, 0)
	_, err = result(0, errno)
	return err
}

func result(n uintptr, errno unix.Errno) (int, error) {
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}

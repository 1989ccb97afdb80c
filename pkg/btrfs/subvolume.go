package btrfs

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Numbers of the ioctls, from linux/btrfs.h. The arguments have the same layout
// on all architectures, so the numbers differ only where _IOC does.
const (
	iocSubvolCreate   = 0x5000940e
	iocSnapDestroy    = 0x5000940f
	iocSnapCreateV2   = 0x50009417
	iocSubvolGetFlags = 0x80089419
	iocSubvolSetFlags = 0x4008941a
	iocSubvolRootRef  = 0xd000943d
	iocInoLookupUser  = 0xd000943e

	flagReadOnly = 2 // BTRFS_SUBVOL_RDONLY

	// firstFree is the inode number of every subvolume's root directory.
	firstFree = 256
)

// volArgs is struct btrfs_ioctl_vol_args.
type volArgs struct {
	fd   int64
	name [4088]byte
}

// volArgsV2 is struct btrfs_ioctl_vol_args_v2.
type volArgsV2 struct {
	fd      int64
	transid uint64
	flags   uint64
	unused  [4]uint64
	name    [4040]byte
}

// rootRefs is struct btrfs_ioctl_get_subvol_rootref_args.
type rootRefs struct {
	minTree uint64
	refs    [255]struct{ tree, dir uint64 }
	count   uint8
	_       [7]byte
}

// IoctlError is a failed ioctl on a subvolume.
type IoctlError struct {
	Op   string // "create subvolume"
	Name string
	Err  error
}

// Error returns "op name: cause".
func (e *IoctlError) Error() string { return fmt.Sprintf("%s %q: %v", e.Op, e.Name, e.Err) }

// Unwrap returns the cause, a unix.Errno.
func (e *IoctlError) Unwrap() error { return e.Err }

// CreateSubvolume makes an empty subvolume in a directory. Its root is owned by
// the caller and has mode 0755 less the umask.
func CreateSubvolume(dir *os.File, name string) error {
	return volIoctl("create subvolume", iocSubvolCreate, dir, name)
}

// DeleteSubvolume deletes a subvolume of a directory, which must not hold other
// subvolumes. The name is gone at once, the space is freed in the background.
func DeleteSubvolume(dir *os.File, name string) error {
	return volIoctl("delete subvolume", iocSnapDestroy, dir, name)
}

// Snapshot makes a writable subvolume in a directory that has the content of another
// one. The subvolumes in that one are empty directories in the snapshot.
func Snapshot(dir *os.File, name string, of *os.File) error {
	const op = "create snapshot"
	args := volArgsV2{fd: int64(of.Fd())}
	if len(name) > unix.NAME_MAX {
		return &IoctlError{op, name, unix.ENAMETOOLONG}
	}
	copy(args.name[:], name)
	err := ioctl(dir, iocSnapCreateV2, unsafe.Pointer(&args))
	runtime.KeepAlive(of)
	if err != nil {
		return &IoctlError{op, name, err}
	}
	return nil
}

// HasSubvolumes says whether a subvolume holds other ones.
func HasSubvolumes(subvol *os.File) (bool, error) {
	var args rootRefs
	err := ioctl(subvol, iocSubvolRootRef, unsafe.Pointer(&args))
	if err != nil && err != unix.EOVERFLOW { // more than fit
		return false, &IoctlError{"list subvolumes of", subvol.Name(), err}
	}
	return args.count > 0, nil
}

func volIoctl(op string, request uint, dir *os.File, name string) error {
	var args volArgs
	if len(name) > unix.NAME_MAX {
		return &IoctlError{op, name, unix.ENAMETOOLONG}
	}
	copy(args.name[:], name)
	if err := ioctl(dir, request, unsafe.Pointer(&args)); err != nil {
		return &IoctlError{op, name, err}
	}
	return nil
}

// IsSubvolume says whether an open directory is the root of a subvolume.
func IsSubvolume(dir *os.File) (bool, error) {
	var fs unix.Statfs_t
	var st unix.Stat_t
	err := errors.Join(unix.Fstatfs(int(dir.Fd()), &fs), unix.Fstat(int(dir.Fd()), &st))
	if err != nil {
		return false, fmt.Errorf("stat %q: %w", dir.Name(), err)
	}
	isDir := st.Mode&unix.S_IFMT == unix.S_IFDIR
	return isDir && int64(fs.Type) == unix.BTRFS_SUPER_MAGIC && st.Ino == firstFree, nil
}

// ReadOnly says whether a subvolume is protected against any change.
func ReadOnly(subvol *os.File) (bool, error) {
	var flags uint64
	if err := ioctl(subvol, iocSubvolGetFlags, unsafe.Pointer(&flags)); err != nil {
		return false, &IoctlError{"read flags of subvolume", subvol.Name(), err}
	}
	return flags&flagReadOnly != 0, nil
}

// SetReadOnly protects a subvolume against any change, or lifts that.
func SetReadOnly(subvol *os.File, readOnly bool) error {
	var flags uint64
	if readOnly {
		flags = flagReadOnly
	}
	if err := ioctl(subvol, iocSubvolSetFlags, unsafe.Pointer(&flags)); err != nil {
		return &IoctlError{"set flags of subvolume", subvol.Name(), err}
	}
	return nil
}

func ioctl(f *os.File, request uint, arg unsafe.Pointer) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), uintptr(request), uintptr(arg))
	if errno != 0 {
		return errno
	}
	return nil
}

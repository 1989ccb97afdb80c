package btrfs

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"unsafe"
)

// Resize gives a file system that is mounted writable another size, in bytes, of
// LeastSize at least. What is beyond a nearer end is moved first; the error wraps ENOSPC
// if there is no room, and the file system is what it was. It needs CAP_SYS_ADMIN.
func Resize(dir *os.File, size int64) error {
	id, err := onlyDevice(dir)
	if err != nil {
		return err
	}
	return volIoctl("resize file system", iocResize, dir, fmt.Sprintf("%d:%d", id, size))
}

// fitrim is struct fstrim_range of linux/fs.h.
type fitrim struct{ start, length, shortest uint64 }

// iocTrim is FITRIM.
const iocTrim = 0xc0185879

// Trim tells the device of the file system that dir is in which of its blocks are free.
// A loop device makes holes of them. It needs root; the error wraps EOPNOTSUPP if the
// device has no use for it.
func Trim(dir *os.File) error {
	all := fitrim{length: math.MaxUint64}
	if err := ioctl(dir, iocTrim, unsafe.Pointer(&all)); err != nil {
		return fmt.Errorf("trim file system of %q: %w", dir.Name(), err)
	}
	runtime.KeepAlive(dir)
	return nil
}

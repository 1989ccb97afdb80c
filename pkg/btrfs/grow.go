package btrfs

import (
	"encoding/binary"
	"fmt"
	"os"
	"unsafe"
)

// ioctl numbers and sizes of linux/btrfs.h.
const (
	iocResize  = 0x50009403
	iocDevInfo = 0xd000941e

	devInfoSize, totalBytesAt = 4096, 32
)

// LeastSize is what the kernel makes a file system no smaller than, in bytes, and so
// what one must be able to grow to.
const LeastSize = 256 << 20

// Grow makes a file system that is mounted writable as large as its device, while it is
// in use: at least LeastSize. It refuses one over several devices. It needs
// CAP_SYS_ADMIN.
func Grow(dir *os.File) error {
	id, err := onlyDevice(dir)
	if err != nil {
		return err
	}
	return volIoctl("grow file system", iocResize, dir, fmt.Sprintf("%d:max", id))
}

// Size returns the bytes of its device that a mounted file system uses, at most all. It
// refuses one over several devices. It needs CAP_SYS_ADMIN.
func Size(dir *os.File) (int64, error) {
	id, err := onlyDevice(dir)
	if err != nil {
		return 0, err
	}
	var info [devInfoSize]byte
	binary.NativeEndian.PutUint64(info[:], id)
	if err := ioctl(dir, iocDevInfo, unsafe.Pointer(&info)); err != nil {
		return 0, &IoctlError{"measure file system of", dir.Name(), err}
	}
	return int64(binary.NativeEndian.Uint64(info[totalBytesAt:])), nil
}

// onlyDevice returns the number of a file system's one device: the greatest that there
// is. It is 1 unless the device replaced another one.
func onlyDevice(dir *os.File) (id uint64, err error) {
	var info [fsInfoSize]byte
	if err := ioctl(dir, iocFsInfo, unsafe.Pointer(&info)); err != nil {
		return 0, &IoctlError{"identify file system of", dir.Name(), err}
	}
	if n := binary.NativeEndian.Uint64(info[8:]); n != 1 {
		return 0, fmt.Errorf("identify file system of %q: it has %d devices", dir.Name(), n)
	}
	return binary.NativeEndian.Uint64(info[:]), nil
}

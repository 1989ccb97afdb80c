package btrfs

import (
	"encoding/binary"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ioctl numbers and sizes of linux/btrfs.h.
const (
	iocFsInfo     = 0x8400941f
	iocSubvolInfo = 0x81f8943c // since Linux 4.18

	fsInfoSize, fsIDAt, fsNodeSizeAt = 1024, 16, 32
	subvolInfoSize                   = 504

	maxNodeSize = 64 << 10 // BTRFS_MAX_METADATA_BLOCKSIZE
)

// topLevel is the number of the subvolume that all others are in.
const topLevel = 5

// UUID returns the UUID of the mounted file system that a file is in.
func UUID(f *os.File) (string, error) {
	info, err := fsInfo(f)
	if err != nil {
		return "", err
	}
	return formatUUID(info[fsIDAt : fsIDAt+16]), nil
}

// NodeSize returns the size of a block of metadata in bytes, which bounds what is in one:
// an extended attribute, or the content of a small file.
func NodeSize(f *os.File) (int, error) {
	info, err := fsInfo(f)
	if err != nil {
		return 0, err
	}
	size := binary.NativeEndian.Uint32(info[fsNodeSizeAt:])
	if size == 0 || size > maxNodeSize {
		return 0, &IoctlError{"read node size of", f.Name(), unix.EINVAL}
	}
	return int(size), nil
}

func fsInfo(f *os.File) (info [fsInfoSize]byte, err error) {
	if err := ioctl(f, iocFsInfo, unsafe.Pointer(&info)); err != nil {
		return info, &IoctlError{"identify file system of", f.Name(), err}
	}
	return info, nil
}

// IsTopLevel says whether an open directory is the top level of a btrfs, where a pool
// has its members.
func IsTopLevel(dir *os.File) (bool, error) {
	if is, err := IsSubvolume(dir); err != nil || !is {
		return false, err
	}
	id, err := SubvolumeID(dir)
	return id == topLevel, err
}

// SubvolumeID returns the number of the subvolume that an open file is in. It is never
// that of another one, also when this one is gone.
func SubvolumeID(f *os.File) (uint64, error) {
	var info [subvolInfoSize]byte
	if err := ioctl(f, iocSubvolInfo, unsafe.Pointer(&info)); err != nil {
		return 0, &IoctlError{"identify subvolume", f.Name(), err}
	}
	return binary.NativeEndian.Uint64(info[:]), nil
}

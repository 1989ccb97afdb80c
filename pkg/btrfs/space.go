package btrfs

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"
)

// iocSpaceInfo lists the space of a file system by what it is for.
const iocSpaceInfo = 0xc0109414

// maxSpaces is more kinds of space than a file system has: data, metadata and system,
// each in few profiles.
const maxSpaces = 32

// The kinds, from linux/btrfs_tree.h.
const (
	groupData     = 1 << 0
	groupMetadata = 1 << 2
	groupReserve  = 1 << 49 // what is put aside of metadata is counted there already
)

// spaceArgs is struct btrfs_ioctl_space_args.
type spaceArgs struct {
	slots  uint64
	total  uint64
	spaces [maxSpaces]struct{ flags, total, used uint64 }
}

// Usage says how much of the space that is set apart for something is used, in bytes.
type Usage struct{ Total, Used uint64 }

// Space returns the usage of data and of metadata of the file system that dir is in.
// It needs no privilege.
func Space(dir *os.File) (data, metadata Usage, err error) {
	args := spaceArgs{slots: maxSpaces}
	if err := ioctl(dir, iocSpaceInfo, unsafe.Pointer(&args)); err != nil {
		return data, metadata, fmt.Errorf("read space of %q: %w", dir.Name(), err)
	}
	runtime.KeepAlive(dir)
	for _, s := range args.spaces[:min(args.total, maxSpaces)] {
		switch {
		case s.flags&groupReserve != 0:
		case s.flags&groupMetadata != 0: // may hold data, too: mixed groups
			metadata.Total += s.total
			metadata.Used += s.used
		case s.flags&groupData != 0:
			data.Total += s.total
			data.Used += s.used
		}
	}
	return data, metadata, nil
}

package btrfs

import (
	"os"
	"unsafe"
)

// iocFiemap lists the extents of a file; linux/fiemap.h and the kernel's
// Documentation/filesystems/fiemap.rst describe it.
const iocFiemap = 0xc020660b

// Flags of an extent.
const (
	extentLast   = 0x1
	extentShared = 0x2000

	// Of these the file data has no place of its own on the disk: it is not written yet,
	// or lies in the metadata.
	extentNowhere = 0x2 | 0x4 | 0x200 // UNKNOWN, DELALLOC, DATA_INLINE
)

// fiemap is struct fiemap, with room for the extents of nearly all files.
type fiemap struct {
	start, length uint64 // bytes of the file
	flags         uint32
	mapped        uint32 // of extents, by the kernel
	count, _      uint32
	extents       [72]struct {
		logical, physical, length uint64
		_                         [2]uint64
		flags                     uint32
		_                         [3]uint32
	}
}

// Extents says how many bytes of a file's data are on the disk, uncompressed, and how
// many of these are in extents that something else refers to as well: a snapshot, a
// reflink, or the same file once more. It needs no privilege. Holes, what lies in the
// metadata and what is not yet written do not count, as in "btrfs filesystem du".
func Extents(f *os.File) (total, shared uint64, err error) {
	const everything = ^uint64(0)
	args := fiemap{length: everything}
	for {
		before := args.start
		args.count = uint32(len(args.extents))
		if err := ioctl(f, iocFiemap, unsafe.Pointer(&args)); err != nil {
			return total, shared, &IoctlError{"list extents of", f.Name(), err}
		}
		for _, e := range args.extents[:min(args.mapped, args.count)] {
			args.start = e.logical + e.length
			if e.flags&extentNowhere == 0 {
				total += e.length
			}
			if e.flags&(extentNowhere|extentShared) == extentShared {
				shared += e.length
			}
			if e.flags&extentLast != 0 {
				return total, shared, nil
			}
		}
		// An empty file, one that was cut meanwhile, or a broken file system.
		if args.start <= before {
			return total, shared, nil
		}
		args.length = everything - args.start
	}
}

package btrfs

import (
	"fmt"
	"os"
	"path"
	"unsafe"

	"golang.org/x/sys/unix"
)

// inoLookup is struct btrfs_ioctl_ino_lookup_user_args.
type inoLookup struct {
	dir, tree uint64
	name      [256]byte
	path      [3824]byte // of the directory, from the subvolume down, with a slash at its end
}

// Nested returns the paths of the subvolumes that a subvolume holds, not of those
// further down in them. It asks the kernel, and so takes the same time whatever else
// is in there. It needs Linux 4.18.
func Nested(subvol *os.File) (paths []string, err error) {
	var args rootRefs
	for more := true; more; {
		err := ioctl(subvol, iocSubvolRootRef, unsafe.Pointer(&args))
		if more = err == unix.EOVERFLOW; err != nil && !more {
			return nil, &IoctlError{"list subvolumes of", subvol.Name(), err}
		}
		for _, ref := range args.refs[:args.count] {
			found, err := lookup(subvol, ref.dir, ref.tree)
			if err != nil {
				return nil, err
			}
			paths = append(paths, found)
		}
	}
	return paths, nil
}

// lookup returns the path of a subvolume. The names are the disk's: one that would
// lead out is refused by whoever opens it beneath.
func lookup(subvol *os.File, dir, tree uint64) (string, error) {
	args := inoLookup{dir: dir, tree: tree}
	if err := ioctl(subvol, iocInoLookupUser, unsafe.Pointer(&args)); err != nil {
		return "", &IoctlError{fmt.Sprintf("look up subvolume %d of", tree), subvol.Name(), err}
	}
	return path.Join(unix.ByteSliceToString(args.path[:]), unix.ByteSliceToString(args.name[:])), nil
}

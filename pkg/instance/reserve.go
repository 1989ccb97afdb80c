package instance

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/rootfs"
)

// The reserve is space of both kinds that btrfs tells apart, each in a file without
// content: one kind may be full and the other not. A reset is what helps when the disk is
// full, and it has to write a little itself before anything can be deleted.
//
// Two files, because each boot looks at one: to stat a file, btrfs reads on behind its
// inode, and with metadata there that is some ten blocks from the disk.
const (
	reserveName = "reserve"
	reserveData = 4 << 20 // bytes; what a factory has is shared, not copied

	// Bytes of metadata: a factory of 700 files takes two million, and for the rename
	// alone the kernel wants to see three and a half. A small pool has less to spare.
	reserveMetadataName = "reserve-metadata"
	reserveMetadata     = 16 << 20
	reserveShare        = 64 // of the pool, at most this part
)

// roomy is the part of the pool that is to be free before space is set aside of it.
const roomy = 8

// keepReserve sets space aside, if it is not yet and there is room. Nobody waits for it to
// be on the disk.
func keepReserve(pool *os.File) error {
	own, err := makeDir(pool, control)
	if err != nil {
		return err
	}
	defer own.Close()
	st, err := unixLstat(own, reserveName)
	if err == nil && st.Blocks*512 >= reserveData {
		return nil
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(own.Fd()), &fs); err != nil || fs.Bavail < fs.Blocks/roomy {
		return err
	}
	return makeReserve(own)
}

// makeReserve makes the files, or completes them: power may have gone before they got
// their space. The one with the data is the last: where it has its space, wherever power
// went, the other has it, too.
func makeReserve(own *os.File) error {
	err := setAside(own, reserveMetadataName, holdMetadata)
	if err == nil {
		err = setAside(own, reserveName, func(f *os.File) error {
			return unix.Fallocate(int(f.Fd()), 0, 0, reserveData)
		})
	}
	if err != nil {
		// Files without space would be taken for the reserve.
		return errors.Join(err, removeReserve(own))
	}
	return nil
}

// setAside makes a file, and has hold give it space.
func setAside(own *os.File, name string, hold func(*os.File) error) error {
	flags := unix.O_WRONLY | unix.O_CREAT | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Openat(int(own.Fd()), name, flags, 0o600)
	if err != nil {
		return fmt.Errorf("create %s/%s: %w", own.Name(), name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	if err := hold(f); err != nil {
		return fmt.Errorf("set space aside in %s: %w", name, err)
	}
	return nil
}

// holdMetadata gives a file extended attributes, each of nearly a block: they take metadata
// with fewer calls and fewer names than small files do.
func holdMetadata(f *os.File) error {
	fd := int(f.Fd())
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return err
	}
	block, err := btrfs.NodeSize(f)
	if err != nil {
		return err
	}
	want := min(reserveMetadata, st.Blocks*uint64(st.Bsize)/reserveShare)
	value := make([]byte, block*3/4) // the rest is for the block's header and the name
	for i := range want / uint64(block) {
		name := "trusted.freshroot." + strconv.FormatUint(i, 10)
		if err := unix.Fsetxattr(fd, name, value, 0); err != nil {
			return err
		}
	}
	return nil
}

func removeReserve(own *os.File) error {
	return errors.Join(removeAll(own, reserveName), removeAll(own, reserveMetadataName))
}

// spendReserve frees the space, and says whether there was any.
func spendReserve(pool *os.File) bool {
	own, err := rootfs.OpenDir(pool, control)
	if err != nil {
		return false
	}
	defer own.Close()
	if _, err := unixLstat(own, reserveName); err != nil {
		return false
	}
	// The space is free when the deletion is on the disk.
	return removeReserve(own) == nil && sync(own) == nil
}

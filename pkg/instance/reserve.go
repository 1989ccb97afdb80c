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

// The reserve is a file without content that has space, of both kinds that btrfs tells
// apart: one of them may be full and the other not. A reset is what helps when the disk
// is full, and it has to write a little itself before anything can be deleted.
const (
	reserveName = "reserve"
	reserveData = 4 << 20 // bytes; what a factory has is shared, not copied

	// Bytes of metadata: a factory of 700 files takes two million, and for the rename
	// alone the kernel wants to see three and a half. A small pool has less to spare.
	reserveMetadata = 16 << 20
	reserveShare    = 64 // of the pool, at most this part
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

// makeReserve makes the file, or completes it: power may have gone before it got its
// space.
func makeReserve(own *os.File) error {
	flags := unix.O_WRONLY | unix.O_CREAT | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Openat(int(own.Fd()), reserveName, flags, 0o600)
	if err != nil {
		return fmt.Errorf("create %s/%s: %w", own.Name(), reserveName, err)
	}
	f := os.NewFile(uintptr(fd), reserveName)
	defer f.Close()
	if err := setAside(f); err != nil {
		// A file without space would be taken for the reserve.
		return errors.Join(fmt.Errorf("set space aside: %w", err), removeAll(own, reserveName))
	}
	return nil
}

// setAside gives a file space of both kinds. Extended attributes, each of nearly a
// block, take metadata with fewer calls and fewer names than small files do.
func setAside(f *os.File) error {
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
	// Last: what has the data has the metadata, too, wherever power went.
	return unix.Fallocate(fd, 0, 0, reserveData)
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
	return removeAll(own, reserveName) == nil && sync(own) == nil
}

package instance

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/rootfs"
)

// The reserve is a file without content that has space. A reset is what helps when the
// disk is full, and it has to write a little itself before anything can be deleted.
const (
	reserveName = "reserve"
	reserveSize = 4 << 20
)

// makeReserve sets space aside, if it is not yet.
func makeReserve(pool *os.File) error {
	own, err := makeDir(pool, control)
	if err != nil {
		return err
	}
	defer own.Close()
	flags := unix.O_WRONLY | unix.O_CREAT | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Openat(int(own.Fd()), reserveName, flags, 0o600)
	if err != nil {
		return fmt.Errorf("create %s/%s: %w", own.Name(), reserveName, err)
	}
	defer unix.Close(fd)
	// Also if it is there: power may have gone before it got its space.
	if err := unix.Fallocate(fd, 0, 0, reserveSize); err != nil {
		// A file without space would be taken for the reserve.
		return errors.Join(fmt.Errorf("set space aside: %w", err), removeAll(own, reserveName))
	}
	return nil
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

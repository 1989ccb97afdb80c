package instance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/rootfs"
)

// openStaging opens the directory where members are prepared, and makes it if the
// pool has none.
func openStaging(pool *os.File) (*os.File, error) {
	own, err := makeDir(pool, control)
	if err != nil {
		return nil, err
	}
	defer own.Close()
	return makeDir(own, "staging")
}

func makeDir(dir *os.File, name string) (*os.File, error) {
	err := unix.Mkdirat(int(dir.Fd()), name, 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make directory %s/%s: %w", dir.Name(), name, err)
	}
	return rootfs.OpenDir(dir, name)
}

// clear deletes what a boot that was cut short has left.
func clear(staging *os.File) error {
	names, err := staging.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("list %s: %w", staging.Name(), err)
	}
	for _, name := range names {
		if err := remove(staging, name); err != nil {
			return err
		}
	}
	return nil
}

// remove deletes a file, an empty directory, or a subvolume with its parts.
func remove(dir *os.File, name string) error {
	subvol, err := rootfs.OpenDir(dir, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
		return removeEntry(dir, name, 0)
	case err != nil:
		return err
	}
	defer subvol.Close()
	if is, err := btrfs.IsSubvolume(subvol); err != nil {
		return err
	} else if !is {
		return removeEntry(dir, name, unix.AT_REMOVEDIR)
	}
	for _, part := range parts {
		if is, err := isSubvolume(subvol, part); err != nil {
			return err
		} else if !is {
			continue
		}
		if err := btrfs.DeleteSubvolume(subvol, part); err != nil {
			return err
		}
	}
	return btrfs.DeleteSubvolume(dir, name)
}

func isSubvolume(dir *os.File, name string) (bool, error) {
	f, err := rootfs.OpenDir(dir, name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	defer f.Close()
	return btrfs.IsSubvolume(f)
}

func removeEntry(dir *os.File, name string, flags int) error {
	if err := unix.Unlinkat(int(dir.Fd()), name, flags); err != nil {
		return fmt.Errorf("delete %s/%s: %w", dir.Name(), name, err)
	}
	return nil
}

package instance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/rootfs"
)

// clearDir deletes what is in a directory.
func clearDir(dir *os.File) error {
	names, err := listDir(dir)
	if err != nil {
		return err
	}
	var failures []error
	for _, name := range names {
		failures = append(failures, removeAll(dir, name))
	}
	return errors.Join(failures...)
}

// listDir returns the names in a directory, whether it was read before or not. All at
// once: they are going to be deleted or moved, and the kernel need not say what a list
// shows then.
func listDir(dir *os.File) ([]string, error) {
	if _, err := dir.Seek(0, 0); err != nil {
		return nil, err
	}
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", dir.Name(), err)
	}
	return names, nil
}

// removeAll deletes what has a name, if there is anything: a file, a directory or a
// subvolume with all below. A symbolic link is deleted and not followed: unlink is tried
// first, and what is opened then is opened as a directory or not at all.
func removeAll(dir *os.File, name string) error {
	err := unix.Unlinkat(int(dir.Fd()), name, 0)
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return nil
	case !errors.Is(err, unix.EISDIR):
		return fmt.Errorf("delete %s/%s: %w", dir.Name(), name, err)
	}
	sub, err := rootfs.OpenDir(dir, name)
	if err != nil {
		return err
	}
	defer sub.Close()
	is, err := btrfs.IsSubvolume(sub)
	if err != nil {
		return err
	}
	if is {
		return removeSubvolume(dir, sub, name)
	}
	if err := clearDir(sub); err != nil {
		return err
	}
	if err := unix.Unlinkat(int(dir.Fd()), name, unix.AT_REMOVEDIR); err != nil {
		return fmt.Errorf("delete %s/%s: %w", dir.Name(), name, err)
	}
	return nil
}

// removeSubvolume deletes a subvolume at once, however large it is, which also works if
// it is read-only. If it holds others, those go first, for which it has to be writable;
// the kernel says where they are.
func removeSubvolume(dir, subvol *os.File, name string) error {
	err := btrfs.DeleteSubvolume(dir, name)
	if !errors.Is(err, unix.ENOTEMPTY) {
		return err
	}
	nested, err := btrfs.Nested(subvol)
	if err != nil {
		return err
	}
	if err := btrfs.SetReadOnly(subvol, false); err != nil {
		return err
	}
	for _, at := range nested {
		parent, err := rootfs.OpenDir(subvol, path.Dir(at))
		if err != nil {
			return err
		}
		err = removeAll(parent, path.Base(at))
		parent.Close()
		if err != nil {
			return err
		}
	}
	return btrfs.DeleteSubvolume(dir, name)
}

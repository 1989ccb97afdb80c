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

// control is the directory that is freshroot's own, in the pool and in an instance.
const control = ".freshroot"

// openStaging opens the directory where members are prepared, and makes it if the
// pool has none. Nobody but root gets in: what is prepared may have its final modes.
func openStaging(pool *os.File) (*os.File, error) { return openOwn(pool, "staging") }

// openOwn opens a directory of freshroot in the pool, and makes it if it is missing.
func openOwn(pool *os.File, name string) (*os.File, error) {
	own, err := makeDir(pool, control)
	if err != nil {
		return nil, err
	}
	defer own.Close()
	return makeDir(own, name)
}

// makeDir opens a directory of ours, and makes it if it is missing.
func makeDir(dir *os.File, name string) (*os.File, error) {
	err := unix.Mkdirat(int(dir.Fd()), name, 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make directory %s/%s: %w", dir.Name(), name, err)
	}
	return rootfs.OpenDir(dir, name)
}

// newFile writes a small file in the place of what has its name. The caller closes it,
// and may want it on the disk before that.
func newFile(dir *os.File, name, text string, mode uint32) (*os.File, error) {
	if err := removeAll(dir, name); err != nil {
		return nil, err
	}
	flags := unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_CLOEXEC
	fd, err := unix.Openat(int(dir.Fd()), name, flags, mode)
	if err != nil {
		return nil, fmt.Errorf("create %s/%s: %w", dir.Name(), name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.WriteString(text); err != nil {
		f.Close()
		return nil, fmt.Errorf("write %s/%s: %w", dir.Name(), name, err)
	}
	return f, nil
}

// newSubvolume makes a subvolume with the mode that a root, /etc and /var have, for
// the umask does not give it.
func newSubvolume(dir *os.File, name string) (*os.File, error) {
	if err := btrfs.CreateSubvolume(dir, name); err != nil {
		return nil, err
	}
	subvol, err := rootfs.OpenDir(dir, name)
	if err != nil {
		return nil, err
	}
	if err := subvol.Chmod(0o755); err != nil {
		subvol.Close()
		return nil, err
	}
	return subvol, nil
}

// duplicate makes a writable subvolume with the content of a part. A snapshot lacks
// the subvolumes that somebody made inside, and a directory has none: they are copied,
// files sharing their extents.
func duplicate(dir *os.File, name string, part *os.File) (*os.File, error) {
	plain, err := isSimple(part)
	if err != nil {
		return nil, err
	}
	if plain {
		if err := btrfs.Snapshot(dir, name, part); err != nil {
			return nil, err
		}
		return rootfs.OpenDir(dir, name)
	}
	subvol, err := newSubvolume(dir, name)
	if err != nil {
		return nil, err
	}
	if err := copyAll(subvol, part); err != nil {
		subvol.Close()
		return nil, err
	}
	return subvol, nil
}

// isSimple says whether a directory is a subvolume that holds no others, as nearly all
// are: systemd makes subvolumes below /var only, and people seldom do in /etc.
func isSimple(part *os.File) (bool, error) {
	if is, err := btrfs.IsSubvolume(part); !is || err != nil {
		return false, err
	}
	nested, err := btrfs.HasSubvolumes(part)
	return !nested, err
}

// sync writes all that was staged. Otherwise the rename could reach the disk before
// the content of the files.
func sync(dir *os.File) error {
	if err := unix.Syncfs(int(dir.Fd())); err != nil {
		return fmt.Errorf("sync pool: %w", err)
	}
	return nil
}

// rename moves a name to another directory where it must not exist.
func rename(from, to *os.File, name string) error {
	return renameat(from, name, to, name, unix.RENAME_NOREPLACE)
}

// renameat is rename with another name, or with other flags.
func renameat(from *os.File, name string, to *os.File, as string, flags uint) error {
	err := unix.Renameat2(int(from.Fd()), name, int(to.Fd()), as, flags)
	if err != nil {
		return fmt.Errorf("rename %q from %s to %s: %w", name, from.Name(), to.Name(), err)
	}
	return nil
}

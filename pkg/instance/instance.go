// Package instance makes the writable root around a golden master.
//
// An instance is a subvolume of the pool with /etc and /var as nested subvolumes,
// so that each can be thrown away by a rename, whatever it holds. It is prepared
// under .freshroot/staging, filled from the factory, synced and then renamed to its
// name: power may go at any instant, and the next boot finds it whole or not at all,
// and clears what was left in staging.
//
// The package needs root, a umask of 0 and a pool mounted writable. It follows no
// symbolic link of the pool.
package instance

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/factory"
	"github.com/freshroot/freshroot/pkg/rootfs"
)

// control is the directory of the pool that is freshroot's own.
const control = ".freshroot"

// parts are the nested subvolumes of an instance.
var parts = []string{"etc", "var"}

// Ensure makes sure that the pool holds the instance name, and that its /etc and
// /var hold something. golden is the /usr that it belongs to, whose factory fills
// it. It returns what it had to make: the instance, or parts of it. Nothing else of
// an instance that exists is touched.
func Ensure(pool *os.File, name string, golden *os.File) (made []string, err error) {
	staging, err := openStaging(pool)
	if err != nil {
		return nil, err
	}
	defer staging.Close()
	if err := clear(staging); err != nil {
		return nil, err
	}
	source, err := openFactory(golden)
	if err != nil {
		return nil, err
	}
	if source != nil {
		defer source.Close()
	}
	root, err := rootfs.OpenDir(pool, name)
	if errors.Is(err, fs.ErrNotExist) {
		return []string{name}, create(pool, staging, name, source)
	} else if err != nil {
		return nil, err
	}
	defer root.Close()
	return repair(root, staging, name, source)
}

// openFactory opens the factory of a golden master, nil if it has none.
func openFactory(golden *os.File) (*os.File, error) {
	f, err := rootfs.OpenDir(golden, "share/factory")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return f, err
}

// create makes a whole instance.
func create(pool, staging *os.File, name string, source *os.File) error {
	root, err := newSubvolume(staging, name)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, part := range parts {
		if err := createPart(root, part, source); err != nil {
			return err
		}
	}
	if err := fill(root, source); err != nil {
		return err
	}
	if err := rootfs.MakeDirectories(root); err != nil {
		return err
	}
	return commit(staging, pool, name)
}

// repair makes the parts anew that are missing or empty.
func repair(root, staging *os.File, name string, source *os.File) (made []string, err error) {
	for _, part := range parts {
		if !has(source, part) {
			continue
		}
		empty, err := isEmpty(root, part)
		if err != nil {
			return made, fmt.Errorf("instance %q: %w", name, err)
		}
		if !empty {
			continue
		}
		if err := replace(root, staging, part, source); err != nil {
			return made, err
		}
		made = append(made, part)
	}
	return made, nil
}

// replace puts a part from the factory in the place of an empty one. A subvolume
// cannot be renamed over; if power goes between, the next boot finds none and makes
// it.
func replace(root, staging *os.File, part string, source *os.File) error {
	if err := createPart(staging, part, source); err != nil {
		return err
	}
	if err := sync(staging); err != nil {
		return err
	}
	if err := remove(root, part); err != nil {
		return err
	}
	return rename(staging, root, part)
}

// createPart makes a nested subvolume and fills it with the part of the factory
// that has its name.
func createPart(dir *os.File, part string, source *os.File) error {
	subvol, err := newSubvolume(dir, part)
	if err != nil {
		return err
	}
	defer subvol.Close()
	if !has(source, part) {
		return nil
	}
	from, err := rootfs.OpenDir(source, part)
	if err != nil {
		return err
	}
	defer from.Close()
	if err := fill(subvol, from); err != nil {
		return err
	}
	return factory.CopyAttributes(subvol, from)
}

// fill copies from the factory; a golden master without one fills nothing. What
// belongs to the OS or the kernel has no place in a factory.
func fill(dst, source *os.File) error {
	if source == nil {
		return nil
	}
	_, err := factory.Copy(dst, source, factory.Options{Skip: rootfs.Reserved})
	return err
}

func commit(staging, pool *os.File, name string) error {
	if err := sync(staging); err != nil {
		return err
	}
	return rename(staging, pool, name)
}

// sync writes all that was staged. Otherwise the rename could reach the disk before
// the content of the files.
func sync(dir *os.File) error {
	if err := unix.Syncfs(int(dir.Fd())); err != nil {
		return fmt.Errorf("sync pool: %w", err)
	}
	return nil
}

func rename(from, to *os.File, name string) error {
	flags := uint(unix.RENAME_NOREPLACE)
	err := unix.Renameat2(int(from.Fd()), name, int(to.Fd()), name, flags)
	if err != nil {
		return fmt.Errorf("rename %q from %s to %s: %w", name, from.Name(), to.Name(), err)
	}
	return nil
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

// has says whether the factory has a directory for a part.
func has(source *os.File, part string) bool {
	if source == nil {
		return false
	}
	var st unix.Stat_t
	err := unix.Fstatat(int(source.Fd()), part, &st, unix.AT_SYMLINK_NOFOLLOW)
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
}

// isEmpty says whether a directory is missing or empty.
func isEmpty(dir *os.File, name string) (bool, error) {
	f, err := rootfs.OpenDir(dir, name)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	} else if err != nil {
		return false, err
	}
	defer f.Close()
	_, err = f.Readdirnames(1)
	if err == io.EOF {
		return true, nil
	}
	return false, err
}

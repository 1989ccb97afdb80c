package instance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/factory"
	"github.com/freshroot/freshroot/pkg/reset"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/subvol"
)

// Version returns the version whose factory the /etc of an instance is of, "" if that is
// not known.
func Version(pool *os.File, name string) string {
	root, err := rootfs.OpenDir(pool, name)
	if err != nil {
		return ""
	}
	defer root.Close()
	s, err := stampOf(root, "etc")
	if err != nil || s.version == unknown {
		return ""
	}
	m, _ := subvol.Parse(s.version)
	return m.Version
}

// Clone copies an instance with all that it holds; both share their extents. The copy
// appears whole or not at all.
func Clone(pool *os.File, from, to string) error {
	err := withStaging(pool, func(staging *os.File) error {
		source, err := rootfs.OpenDir(pool, from)
		if err != nil {
			return err
		}
		defer source.Close()
		if err := snapshotAll(staging, to, source); err != nil {
			return err
		}
		return place(staging, pool, to)
	})
	if err != nil {
		return fmt.Errorf("clone %q: %w", from, err)
	}
	return nil
}

// CreateHome makes a home member for a user, with what skel has, which may be nil.
func CreateHome(pool *os.File, home subvol.Member, skel *os.File) error {
	name := home.String()
	err := withStaging(pool, func(staging *os.File) error {
		dir, err := newSubvolume(staging, name)
		if err != nil {
			return err
		}
		defer dir.Close()
		if skel != nil {
			if _, err := factory.Copy(dir, skel, factory.Options{}); err != nil {
				return err
			}
		}
		if err := giveTo(dir, home); err != nil {
			return err
		}
		// Nobody else gets in, as useradd(8) has it where it is told nothing.
		if err := dir.Chmod(0o700); err != nil {
			return err
		}
		return place(staging, pool, name)
	})
	if err != nil {
		return fmt.Errorf("create %q: %w", name, err)
	}
	return nil
}

// giveTo makes a user the owner of a directory and of all that is in it.
func giveTo(dir *os.File, user subvol.Member) error {
	if err := dir.Chown(int(user.UID), int(user.GID)); err != nil {
		return err
	}
	names, err := listDir(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		sub, err := rootfs.OpenDir(dir, name)
		switch {
		case notDirectory(err):
			err = unix.Fchownat(int(dir.Fd()), name, int(user.UID), int(user.GID), unix.AT_SYMLINK_NOFOLLOW)
		case err == nil:
			err = errors.Join(giveTo(sub, user), sub.Close())
		}
		if err != nil {
			return fmt.Errorf("change the owner of %s/%s: %w", dir.Name(), name, err)
		}
	}
	return nil
}

// Rename gives an instance another name. What it has in the trash and what was asked for
// it comes along, and goes first: after a cut of power it can be called again.
func Rename(pool *os.File, from, to string) error {
	if err := renameWhole(pool, from, to); err != nil {
		return fmt.Errorf("rename instance %q: %w", from, err)
	}
	return nil
}

func renameWhole(pool *os.File, from, to string) error {
	if _, err := unixLstat(pool, from); err != nil {
		return err
	}
	if _, err := unixLstat(pool, to); err == nil {
		return fmt.Errorf("%q: %w", to, fs.ErrExist)
	}
	request, err := ReadRequest(pool, from)
	if err != nil {
		return err
	}
	if err := renameTrash(pool, from, to); err != nil {
		return err
	}
	if request != (reset.Request{}) {
		if err := WriteRequest(pool, to, request.Renamed(to)); err != nil {
			return err
		}
	}
	if err := renameat(pool, from, pool, to, unix.RENAME_NOREPLACE); err != nil {
		return err
	}
	return errors.Join(sync(pool), DropRequest(pool, from))
}

// renameTrash gives the old states of an instance to one of another name. A number
// is that of one state, whatever the instance: none is in the way of another.
func renameTrash(pool *os.File, from, to string) error {
	list, err := Trash(pool)
	if err != nil || len(list) == 0 {
		return err
	}
	dir, err := openTrash(pool)
	if err != nil {
		return err
	}
	defer dir.Close()
	for _, t := range list {
		if t.Instance != from {
			continue
		}
		err := renameat(dir, t.String(), dir, t.Renamed(to).String(), unix.RENAME_NOREPLACE)
		if err != nil {
			return err
		}
	}
	return nil
}

// Delete deletes a member, which is gone whole or not at all. What an instance has in the
// trash and what was asked for it go first: no later one of its name shall get them, and
// after a cut of power it can be called again.
func Delete(pool *os.File, name string) error {
	if err := deleteWhole(pool, name); err != nil {
		return fmt.Errorf("delete %q: %w", name, err)
	}
	return nil
}

func deleteWhole(pool *os.File, name string) error {
	if _, err := unixLstat(pool, name); err != nil {
		return err
	}
	if err := DropRequest(pool, name); err != nil {
		return err
	}
	if err := purgeAll(pool, name); err != nil {
		return err
	}
	return withStaging(pool, func(staging *os.File) error {
		if err := rename(pool, staging, name); err != nil {
			return err
		}
		return sync(pool)
	})
}

// withStaging clears staging before and after.
func withStaging(pool *os.File, f func(staging *os.File) error) error {
	staging, err := openStaging(pool)
	if err != nil {
		return err
	}
	defer staging.Close()
	if err := clearDir(staging); err != nil {
		return err
	}
	return errors.Join(f(staging), clearDir(staging))
}

// place makes what was staged a member, when it is on the disk.
func place(staging, pool *os.File, name string) error {
	if err := sync(staging); err != nil {
		return err
	}
	if err := rename(staging, pool, name); err != nil {
		return err
	}
	return sync(pool)
}

// snapshotAll makes a snapshot of a subvolume and of those in it, for which a snapshot
// only has empty directories. It protects those that are protected there.
func snapshotAll(dir *os.File, name string, of *os.File) error {
	if err := btrfs.Snapshot(dir, name, of); err != nil {
		return err
	}
	made, err := rootfs.OpenDir(dir, name)
	if err != nil {
		return err
	}
	defer made.Close()
	nested, err := btrfs.Nested(of)
	if err != nil {
		return err
	}
	for _, at := range nested {
		if err := snapshotOne(made, of, at); err != nil {
			return err
		}
	}
	readOnly, err := btrfs.ReadOnly(of)
	if err != nil || !readOnly {
		return err
	}
	return btrfs.SetReadOnly(made, true)
}

// snapshotOne puts the snapshot of a nested subvolume in its place.
func snapshotOne(made, of *os.File, at string) error {
	source, err := rootfs.OpenDir(of, at)
	if err != nil {
		return err
	}
	defer source.Close()
	parent, err := rootfs.OpenDir(made, path.Dir(at))
	if err != nil {
		return err
	}
	defer parent.Close()
	name := path.Base(at)
	err = unix.Unlinkat(int(parent.Fd()), name, unix.AT_REMOVEDIR)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete %s/%s: %w", parent.Name(), name, err)
	}
	return snapshotAll(parent, name, source)
}

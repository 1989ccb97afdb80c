package instance

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/reset"
	"github.com/freshroot/freshroot/pkg/rootfs"
)

// keptTrash is how many states of an instance a reset leaves in the trash: with
// freshroot.reset= on the command line there is one more at each boot.
const keptTrash = 3

// Marks of a state that no OS has seen, in the file scratchName at its top. Ensure takes
// the mark off, just before the OS gets the state. So a boot that finds one knows how
// far the last one came.
const (
	markFresh = "reset\n" // made by a reset: worth nothing in the trash
	markBack  = "undo\n"  // brought back: nothing is left to be undone
)

// openTrash opens the directory where old states wait to be deleted.
func openTrash(pool *os.File) (*os.File, error) { return openOwn(pool, "trash") }

// Trash lists the old states of all instances, in no order. Names that do not parse are
// left alone.
func Trash(pool *os.File) (list []reset.Trashed, err error) {
	dir, err := rootfs.OpenDir(pool, control+"/trash")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer dir.Close()
	return listTrash(dir)
}

func listTrash(dir *os.File) (list []reset.Trashed, err error) {
	names, err := listDir(dir)
	for _, name := range names {
		if t, err := reset.ParseTrashed(name); err == nil && markOf(dir, name) != markFresh {
			list = append(list, t)
		}
	}
	return list, err
}

// Purge deletes old states. The names are gone at once; the kernel frees the space
// behind the running system.
func Purge(pool *os.File, list []reset.Trashed) error {
	dir, err := openTrash(pool)
	if err != nil {
		return err
	}
	defer dir.Close()
	for _, t := range list {
		if err := purge(dir, t.String()); err != nil {
			return err
		}
	}
	return nil
}

// purgeAll deletes all old states of an instance, also what is left of those that were
// being deleted, and does not return before that is on the disk.
func purgeAll(pool *os.File, instance string) error {
	dir, err := rootfs.OpenDir(pool, control+"/trash")
	if errors.Is(err, fs.ErrNotExist) || notDirectory(err) {
		return nil
	} else if err != nil {
		return err
	}
	defer dir.Close()
	names, err := listDir(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if t, err := reset.ParseTrashed(name); err != nil || t.Instance != instance {
			continue
		}
		if err := purge(dir, name); err != nil {
			return err
		}
	}
	return sync(dir)
}

// purge marks what it deletes: half of it must never be brought back. Where there is no
// space left for the mark, space counts more.
func purge(dir *os.File, name string) error {
	if err := mark(dir, name, markFresh); err != nil && !errors.Is(err, unix.ENOSPC) {
		return err
	}
	return removeAll(dir, name)
}

// clearTrash deletes what a reset made and did not put in place, because power went.
func clearTrash(dir *os.File) error {
	names, err := listDir(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if markOf(dir, name) == markFresh {
			if err := removeAll(dir, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// clearHalfDeleted does so at a boot. A trash that cannot be cleared does not stop it.
func (j *job) clearHalfDeleted() {
	dir, err := rootfs.OpenDir(j.Pool, control+"/trash")
	if err != nil {
		return
	}
	defer dir.Close()
	_ = clearTrash(dir)
}

// mark leaves a mark at the top of a tree, on the disk: what follows may get there without
// the content of a file. What is no directory, or cannot be written to, gets none.
func mark(dir *os.File, name, text string) error {
	top, err := rootfs.OpenDir(dir, name)
	if notDirectory(err) {
		return nil
	} else if err != nil {
		return err
	}
	defer top.Close()
	f, err := newFile(top, scratchName, text, 0o600)
	if errors.Is(err, unix.EROFS) {
		return nil
	} else if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// markTop writes the mark of an open tree, which the caller syncs.
func markTop(top *os.File, text string) error {
	f, err := newFile(top, scratchName, text, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// markOf reads the mark at the top of a tree, "" if there is none.
func markOf(dir *os.File, name string) string {
	top, err := rootfs.OpenDir(dir, name)
	if err != nil {
		return ""
	}
	defer top.Close()
	text, _ := readSmall(top, scratchName, len(markFresh))
	return text
}

// unmark takes the marks off an instance that is about to be used. That is on the disk
// before it is: what the OS has synced must not come back with a mark, as if nobody had
// used it.
func unmark(root *os.File) error {
	marked := markOf(root, ".") != ""
	if err := removeAll(root, scratchName); err != nil {
		return err
	}
	dir, err := rootfs.OpenDir(root, "var")
	if err != nil {
		return nil // missing, or nothing that could be marked: others will say so
	}
	defer dir.Close()
	marked = marked || markOf(root, "var") != ""
	if err := removeAll(dir, scratchName); err != nil || !marked {
		return err
	}
	return sync(root)
}

package instance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/reset"
	"github.com/freshroot/freshroot/pkg/rootfs"
)

// Undo brings an old state back from the trash by one rename; the one of today comes to
// lie there in its place, so that undoing once more goes forward again. It may be called
// again after power went, and knows what is done already, until Ensure was called.
func Undo(pool *os.File, t reset.Trashed) error {
	if err := undo(pool, t); err != nil {
		return fmt.Errorf("bring back %q: %w", t.String(), err)
	}
	return nil
}

func undo(pool *os.File, t reset.Trashed) error {
	place, name := pool, t.Instance
	if t.Scope == reset.Var {
		root, err := rootfs.OpenDir(pool, t.Instance)
		if err != nil {
			return err
		}
		defer root.Close()
		place, name = root, "var"
	}
	if markOf(place, name) == markBack {
		return nil
	}
	trash, err := openTrash(pool)
	if err != nil {
		return err
	}
	defer trash.Close()
	return bringBack(trash, t.String(), place, name)
}

// bringBack marks the old state before it goes, for the mark must not be missing there.
func bringBack(trash *os.File, entry string, place *os.File, name string) error {
	old, err := rootfs.OpenDir(trash, entry)
	if err != nil {
		return err
	}
	defer old.Close()
	if markOf(trash, entry) == markFresh {
		return errors.New("it was being deleted")
	}
	if err := markTop(old, markBack); err != nil {
		return err
	}
	if err := sync(trash); err != nil {
		return err
	}
	flags := uint(unix.RENAME_EXCHANGE)
	if _, err := unixLstat(place, name); errors.Is(err, fs.ErrNotExist) {
		flags = unix.RENAME_NOREPLACE
	}
	if err := renameat(trash, entry, place, name, flags); err != nil {
		return err
	}
	if err := sync(trash); err != nil {
		return err
	}
	if markOf(place, name) != markBack {
		return &CheckError{fmt.Errorf("%q is not the old one", name)}
	}
	return nil
}

package bind

import (
	"errors"
	"fmt"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/factory"
	"github.com/freshroot/freshroot/pkg/rootfs"
)

// ErrKept says that a file need not be saved: it is the instance's own.
var ErrKept = errors.New("is bound from the instance already")

// Save copies a file or a directory of a running root into the instance, where it takes
// the place of what was there in one step. The next boot finds it. name is absolute.
func Save(root, instance *os.File, name string) error {
	if err := save(root, instance, name[1:]); err != nil {
		return fmt.Errorf("save %q: %w", name, err)
	}
	return nil
}

// save is Save for a path beneath both.
func save(root, instance *os.File, name string) error {
	source, err := open(root, name)
	if err != nil {
		return err
	}
	defer source.Close()
	if isSame(source, instance, name) {
		return ErrKept
	}
	from, err := rootfs.OpenDir(root, path.Dir(name))
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := makeDirs(instance, root, path.Dir(name))
	if err != nil {
		return err
	}
	defer to.Close()
	base := path.Base(name)
	// A copy of the directory that leaves out all else is one of the file, with all of
	// its attributes.
	return stage(to, func(dir *os.File) error {
		others := func(name string) bool { return name != base }
		if _, err := factory.Copy(dir, from, factory.Options{Skip: others}); err != nil {
			return err
		}
		return replace(dir, to, base)
	})
}

// replace swaps what was staged with what is there: a rename cannot take the place of a
// directory with content. What was there is deleted with the rest of the staging.
func replace(dir, to *os.File, name string) error {
	err := commit(dir, to, name, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EEXIST) {
		err = commit(dir, to, name, unix.RENAME_EXCHANGE)
	}
	if err != nil {
		return err
	}
	// Who saves wants to cut the power next.
	if err := to.Sync(); err != nil {
		return fmt.Errorf("sync %q: %w", to.Name(), err)
	}
	return nil
}

// isSame says whether the file is the instance's, seen through a bind mount.
func isSame(source, instance *os.File, name string) bool {
	own, err := open(instance, name)
	if err != nil {
		return false
	}
	defer own.Close()
	var a, b unix.Stat_t
	err = errors.Join(unix.Fstat(int(source.Fd()), &a), unix.Fstat(int(own.Fd()), &b))
	return err == nil && a.Dev == b.Dev && a.Ino == b.Ino
}
